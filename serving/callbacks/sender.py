"""Sends callbacks that are due, for ever: many at once, and a slow address keeps nobody waiting."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.callbacks.deliveries import CallbackDelivery, Deliveries, TryOutcome
from modelyard.registry.callbacks.places import CallbackPlaces
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.database import utc_now
from modelyard.registry.errors import SecretUnreadable
from modelyard.registry.logs import logger
from modelyard.serving.callbacks.errors import NotSent
from modelyard.serving.callbacks.network import CallbackMessage, CallbackNetwork
from modelyard.serving.callbacks.signature import signed_headers
from modelyard.serving.observability.callback_stats import ENDS, CallbackStats

POLL_S = 0.5
AWAY_S = 2.0
"""Seconds until the database is asked again after it did not answer."""

FORGETTING_S = 3600.0
COUNTING_S = 10.0
"""Seconds between two looks at how much waits, for whoever reads the metrics."""

_log = logger("modelyard.callbacks")


@dataclass(slots=True)
class CallbackSender:
    """One for each process that sends; several share the outbox.

    At most `most` tries are under way at once; what has ended `keep_days` ago is forgotten.
    """

    deliveries: Deliveries
    secrets: CallbackSecrets
    network: CallbackNetwork
    keep_days: float = 30.0
    most: int = 64
    places: CallbackPlaces = field(default_factory=CallbackPlaces)
    stats: CallbackStats = field(default_factory=CallbackStats)
    _under_way: int = field(default=0, init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def nudge(self) -> None:
        """Look at once: something has been entered."""
        self._news.set()

    async def run(self) -> None:
        """Send what is due, for ever; what is under way when it is cancelled is sent again."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forget())
                group.create_task(self._count())
                while True:
                    self._news.clear()
                    claimed = await self._claim()
                    for delivery in claimed:
                        self._begin(delivery, group)
                    if not claimed:
                        await self._pause(POLL_S)
        finally:
            await self.network.close()

    async def _claim(self) -> list[CallbackDelivery]:
        room = self.most - self._under_way
        if room <= 0:
            return []
        places = self.places.copy()
        try:
            if await asyncio.to_thread(self.deliveries.is_any_due, places):
                return await asyncio.to_thread(self.deliveries.claim, room, places)
        except SQLAlchemyError as error:
            _log.warning("callbacks_not_read", reason=str(error).splitlines()[0])
            await asyncio.sleep(AWAY_S)
        return []

    def _begin(self, delivery: CallbackDelivery, group: asyncio.TaskGroup) -> None:
        self.places.take(delivery.host, delivery.user_id)
        self._under_way += 1
        group.create_task(self._deliver(delivery))

    async def _deliver(self, delivery: CallbackDelivery) -> None:
        try:
            outcome = await self._tried(delivery)
            state = await asyncio.to_thread(self.deliveries.record, delivery, outcome)
            self._counted(outcome, state)
            if not outcome.is_success:
                _log.info(
                    "callback_failed",
                    callback=delivery.id,
                    status=outcome.status,
                    error=outcome.error,
                )
        except SQLAlchemyError as error:  # it is sent again when the lease has ended
            _log.warning("callback_not_recorded", reason=str(error).splitlines()[0])
        finally:
            self.places.free(delivery.host, delivery.user_id)
            self._under_way -= 1
            self._news.set()

    async def _tried(self, delivery: CallbackDelivery) -> TryOutcome:
        at = utc_now()
        began = time.perf_counter()
        status = None
        error = None
        try:
            secrets = await asyncio.to_thread(self.secrets.signing, delivery.user_id)
            headers = signed_headers(delivery.id, at, delivery.body, secrets)
            message = CallbackMessage(delivery.url, headers, delivery.body)
            status = await self.network.post(message)
        except (NotSent, SecretUnreadable) as refused:
            error = str(refused)
        except SQLAlchemyError:
            raise
        except Exception as unexpected:  # noqa: BLE001  one callback must not end all
            _log.exception("callback_not_sent", callback=delivery.id)
            error = f"something went wrong on our side: {type(unexpected).__name__}"
        duration_ms = (time.perf_counter() - began) * 1000
        return TryOutcome(at=at, duration_ms=duration_ms, status=status, error=error)

    def _counted(self, outcome: TryOutcome, state: CallbackState | None) -> None:
        seconds = outcome.duration_ms / 1000
        self.stats.tried(seconds, outcome.status, is_success=outcome.is_success)
        if state in ENDS:
            self.stats.ended[state] += 1

    async def _count(self) -> None:
        while True:
            with suppress(SQLAlchemyError):  # whoever claims says so
                found = await asyncio.to_thread(self.deliveries.backlog)
                self.stats.waiting = found.waiting
                self.stats.due = found.due
                self.stats.addresses_off = found.addresses_off
            await asyncio.sleep(COUNTING_S)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _forget(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.deliveries.forget, self.keep_days)
            except SQLAlchemyError as error:
                _log.warning("callbacks_not_forgotten", reason=str(error).splitlines()[0])
            await asyncio.sleep(FORGETTING_S)
