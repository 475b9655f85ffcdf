"""How many jobs of each model this process takes now, by how urgent they are."""

import time
from dataclasses import dataclass, field

from modelyard.registry.errors import InvalidName, UnknownModel
from modelyard.registry.identity.caller import Caller, Role
from modelyard.serving.gateway.model_versions import ResolvedModel
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.jobs.dispatch.in_hand import JobsInHand
from modelyard.serving.jobs.dispatch.pace import BackgroundPace
from modelyard.serving.jobs.dispatch.room import view_of
from modelyard.serving.observability.request_record import Histogram, RequestStats

UNKNOWN = 16
"""Jobs of a model that is gone are taken so many at a time: each fails at once, with the reason."""

BACKGROUND = 1
"""The priority of work that only fills what is free, such as batches."""

_ANYBODY = Caller("", "dispatcher", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class JobPlaces:
    """How many jobs of one model may be taken: of any priority, and of the lowest."""

    version_id: str
    urgent: int
    background: int


@dataclass(slots=True)
class ModelPlaces:
    """Looks at the router's state; `live` counts requests whose clients are connected."""

    gateway: Gateway
    in_hand: JobsInHand
    live: RequestStats
    _paces: dict[str, BackgroundPace] = field(default_factory=dict[str, BackgroundPace])

    async def of(self, model: str) -> JobPlaces:
        """The places for jobs of a model, as jobs name it. Raises SQLAlchemyError."""
        asked = (model, _ANYBODY)
        try:
            found = self.gateway.versions.known(asked) or await self.gateway.versions.find(asked)
        except (UnknownModel, InvalidName):
            return JobPlaces("", UNKNOWN, UNKNOWN)
        await self.gateway.router.catch_up(found.version)
        return self._now(found)

    def _now(self, found: ResolvedModel) -> JobPlaces:
        version = found.version
        now = time.monotonic()
        runs = self.in_hand.of(version.id)
        view = view_of(self.gateway.router, version, runs, now)
        background = [r for r in runs if r.claim.job.priority <= BACKGROUND and not r.is_answered]
        pace = self._paces.setdefault(version.id, BackgroundPace())
        seen = self.live.first_byte.get(version.model) or Histogram()
        is_late = pace.first_bytes.are_late(seen, is_alone=not background)
        pace.look(
            now,
            len(background),
            is_crowded=bool(view.live_waiting) or is_late,
            step=max(1, view.slots // 4),
        )
        at_work = sum(not run.is_answered for run in runs)
        return JobPlaces(
            version.id,
            view.urgent(at_work),
            min(view.background(at_work), pace.room(len(background))),
        )
