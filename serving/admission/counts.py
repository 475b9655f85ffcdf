"""Requests that one process has let in: exact logs of the last minute and hour, places, quotas.

A rate of N a minute is checked against the times of the last N requests, so it is exact: no
minute, wherever it begins, has more than N. A log is at most as long as its limit. A place is one
unit of a concurrency limit.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from modelyard.registry.billing.quota import Quota
from modelyard.serving.admission.limits import Limits, Rate, part
from modelyard.serving.admission.refusals import quota_exceeded, rate_limited, too_busy
from modelyard.serving.errors import RateLimited
from modelyard.serving.wire.rate_headers import RateLimitStatus

Log = deque[float]
"""When requests were let in, in microseconds of the gate's clock, the oldest first.

Times from Redis are whole numbers; times this process took itself have 0.5 subtracted.
"""

OWN = -0.5


@dataclass(slots=True)
class UserCounts:
    """One user's running requests and a log for each rate; logs of global rates are shared."""

    logs: tuple[Log, ...]
    live: int = 0


@dataclass(slots=True)
class CountedRequests:
    """Requests let in `since` the quota's count was known to be `seed`."""

    period: int
    seed: int
    since: int = 0


@dataclass(slots=True)
class RequestCounts:
    """Decides without Redis; `enforced` is this gateway's share of the `configured` limits."""

    configured: Limits
    clock: Callable[[], int]
    life_us: int
    enforced: Limits
    gateways: int = 1
    users: dict[str, UserCounts] = field(default_factory=dict[str, UserCounts])
    used: dict[str, CountedRequests] = field(default_factory=dict[str, CountedRequests])
    places: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    _all: tuple[Log, ...] = ()

    @classmethod
    def of(cls, limits: Limits, clock: Callable[[], int], life_us: int) -> "RequestCounts":
        shared = tuple(Log() for rate in limits.rates if not rate.per_user)
        return cls(limits, clock, life_us, limits, _all=shared)

    def share(self, gateways: int) -> None:
        """Share the limits among this number of gateways from now on."""
        self.gateways = max(1, gateways)
        self.enforced = self.configured.share(self.gateways)

    def admit(self, key: str, quota: Quota) -> RateLimitStatus | None:
        """Take a place under `key`, or raise RateLimited, QuotaExceeded or TooBusy."""
        user_id = quota.user_id
        now = self.clock()
        self.expire(now)
        user = self.user(user_id)
        self._check_live(user)
        if quota.request_limit:
            self._check_quota(quota)
        room = self._check_rates(user, now)
        self.enter(key, user_id, now + OWN)
        if quota.request_limit:
            self.used[user_id].since += 1
        return room

    def check(self, quota: Quota) -> None:
        """Raise QuotaExceeded or RateLimited where a request would not be let in; counts none."""
        if quota.request_limit:
            self._check_quota(quota)
        self._check_rates(self.user(quota.user_id), self.clock())

    def enter(self, key: str, user_id: str, at: float) -> None:
        """Record a request that was let in, here or by Redis."""
        user = self.user(user_id)
        for log in user.logs:
            log.append(at)
        user.live += 1
        self.places[key] = (user_id, at + self.life_us)

    def _check_live(self, user: UserCounts) -> None:
        most = self.enforced
        if most.live and len(self.places) >= most.live:
            raise too_busy(self.configured.live, per_user=False)
        if most.user_live and user.live >= most.user_live:
            raise too_busy(self.configured.user_live, per_user=True)

    def _check_quota(self, quota: Quota) -> None:
        used = self.used.get(quota.user_id)
        if used is None or used.period != quota.period:
            used = self.used[quota.user_id] = CountedRequests(quota.period, quota.request_count)
        left = quota.request_limit - used.seed
        if left <= 0 or used.since >= part(left, self.gateways):
            raise quota_exceeded(quota)

    def _check_rates(self, user: UserCounts, now: int) -> RateLimitStatus | None:
        """What the tightest rate has left; raises RateLimited for the full rate that opens last."""
        tightest = None
        least = 0
        refused: RateLimited | None = None
        for rate, log in zip(self.enforced.rates, user.logs, strict=True):
            until = now - rate.period_us
            while log and log[0] <= until:  # drop_old inlined: saves four calls a request
                log.popleft()
            left = rate.limit - len(log)
            if left <= 0:
                refusal = _refusal(rate, log, now)
                refused = max(refused or refusal, refusal, key=lambda r: r.retry_after)
            elif tightest is None or left <= least:
                tightest = rate
                least = left
        if refused is not None:
            raise refused
        if tightest is None:
            return None
        return RateLimitStatus(tightest.limit, least - 1, tightest.period_us / 1e6)

    def leave(self, key: str) -> bool:
        """Release a place; False if it is already free."""
        place = self.places.pop(key, None)
        if place is None:
            return False
        self.users[place[0]].live -= 1
        return True

    def refund(self, quota: Quota) -> None:
        """Take a request that used nothing off the quota."""
        used = self.used.get(quota.user_id)
        if used is not None and used.period == quota.period:
            used.since -= 1

    def user(self, user_id: str) -> UserCounts:
        user = self.users.get(user_id)
        if user is None:
            everybody = iter(self._all)
            rates = self.configured.rates
            logs = tuple(Log() if rate.per_user else next(everybody) for rate in rates)
            user = self.users[user_id] = UserCounts(logs)
        return user

    def expire(self, now: int) -> None:
        """Release places whose reservation has expired; places are ordered by age."""
        while self.places:
            key = next(iter(self.places))
            if self.places[key][1] > now:
                return
            self.leave(key)

    def prune(self) -> None:
        """Forget users without running requests or times that still count."""
        now = self.clock()
        for user_id, user in list(self.users.items()):
            own = [(r, log) for r, log in self.logs(user) if r.per_user]
            for rate, log in own:
                drop_old(log, now - rate.period_us)
            if not user.live and not any(log for _, log in own):
                del self.users[user_id]

    def all_logs(self) -> list[tuple[Rate, str, Log]]:
        """Every log with its rate and user; a global rate's log has "" as user."""
        shared = [rate for rate in self.configured.rates if not rate.per_user]
        found = [(rate, "", log) for rate, log in zip(shared, self._all, strict=True)]
        for user_id, user in self.users.items():
            found += [(rate, user_id, log) for rate, log in self.logs(user) if rate.per_user]
        return found

    def logs(self, user: UserCounts) -> Iterator[tuple[Rate, Log]]:
        return zip(self.configured.rates, user.logs, strict=True)


def drop_old(log: Log, until: float) -> None:
    while log and log[0] <= until:
        log.popleft()


def _refusal(rate: Rate, log: Log, now: int) -> RateLimited:
    # A share may be smaller than what was let in before, so that several times have to expire.
    opens = log[len(log) - rate.limit] + rate.period_us - now
    return rate_limited(rate, opens, log[-1] + rate.period_us - now)
