"""Remembers, by digest and for a limited time, requests that may crash the engines running them."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.errors import RequestEndsEngines
from modelyard.serving.routing.policy.request import RoutedRequest

LEAST_S = 1.0
TIMES = 2.0
MOST_S = 10.0
"""A suspect runs alone for LEAST_S plus TIMES its age at the engine's end, at most MOST_S."""

REMEMBERED_S = 300.0
MOST = 1000

_UNLIKE = ("model", "stream", "stream_options", "user", "metadata")
"""Body fields ignored in the digest; the adapter named in `model` still counts."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Stage(Enum):
    """State of a request in the trial of suspects: it runs alone until it is CLEARED."""

    ORDINARY = "ordinary"
    WAITING = "waiting"
    TRIED = "tried"
    CLEARED = "cleared"


@dataclass(slots=True, eq=False)
class Case:
    """A request that was on an engine when the engine ended, or an equal request.

    `age_s` is how long that engine had the request; `began`: its answer had started; `deaths`
    counts engines that ended with it, with the cause unknown; `was_tried`: it ran alone on an
    engine; `may_go_on`: its answer may go out, as no trial runs beside it.
    """

    version: ModelVersion
    work: RoutedRequest
    digest: bytes
    stage: Stage = Stage.ORDINARY
    age_s: float = 0.0
    began: bool = False
    deaths: int = 0
    was_tried: bool = False
    may_go_on: bool = True

    @property
    def alone_s(self) -> float:
        """Seconds alone on an engine after which another request is taken to be the cause."""
        return min(MOST_S, LEAST_S + TIMES * self.age_s)


@dataclass(frozen=True, slots=True)
class Known:
    """A remembered request: until when, and whether it is refused or tried alone."""

    until: float
    age_s: float = 0.0
    began: bool = False
    is_refused: bool = False


@dataclass(slots=True)
class Suspects:
    """Suspects by digest, keyed per process so that a digest reveals nothing of the request."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _known: OrderedDict[bytes, Known] = field(default_factory=OrderedDict[bytes, Known])

    def __len__(self) -> int:
        return len(self._known)

    def case(self, version: ModelVersion, work: RoutedRequest, path: str, body: bytes) -> Case:
        return Case(version, work, self._digest(version, path, body))

    def recall(self, digest: bytes, now: float) -> Known | None:
        """What is remembered, or None; raises RequestEndsEngines if the request is refused."""
        while self._known and next(iter(self._known.values())).until <= now:
            self._known.popitem(last=False)
        known = self._known.get(digest)
        if known is not None and known.is_refused:
            raise ends_engines(known.until - now)
        return known

    def watch(self, case: Case, now: float) -> None:
        """Remember the request, so that an equal one is tried alone."""
        known = self._known.get(case.digest)
        if known is None or not known.is_refused:
            self._put(case, Known(now + REMEMBERED_S, case.age_s, case.began))

    def refuse(self, case: Case, now: float) -> RequestEndsEngines:
        """Refuse this request and equal ones from now on; returns the error to raise."""
        self._put(case, Known(now + REMEMBERED_S, is_refused=True))
        return ends_engines(REMEMBERED_S)

    def clear(self, case: Case) -> None:
        """Forget a request that was not the cause; a refused one stays refused."""
        known = self._known.get(case.digest)
        if known is not None and not known.is_refused:
            del self._known[case.digest]

    def _put(self, case: Case, known: Known) -> None:
        self._known[case.digest] = known
        self._known.move_to_end(case.digest)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def _digest(self, version: ModelVersion, path: str, body: bytes) -> bytes:
        """Digest of version, path and normalized body; ignores user, streaming and key order."""
        told = hashlib.blake2b(key=self._key, digest_size=16)
        for part in (version.id.encode(), path.encode(), _normal(body)):
            told.update(b"%d:" % len(part))
            told.update(part)
        return told.digest()


def ends_engines(left_s: float) -> RequestEndsEngines:
    return RequestEndsEngines(
        "Two engines ended while they worked on this request, the second one on nothing else."
        f" It is not tried again for {left_s:.0f} s.",
        fix="Change the request, or tell whoever runs this: the gateway's log has its id.",
    )


def _normal(body: bytes) -> bytes:
    """Canonical JSON, so that equal requests have equal bytes; an unreadable body is unchanged."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
        adapter = str(said.get("model")).partition("+")[2]
        kept = {name: value for name, value in said.items() if name not in _UNLIKE}
        return _encode([adapter, kept])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body
