"""On which devices each limited user has work, so that nobody has it on more than allowed."""

from collections import Counter
from dataclasses import dataclass, field

from serving.routing.work import Work


@dataclass(slots=True)
class Users:
    """Only users with a limit are followed."""

    _devices: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])

    def bound(self, work: Work) -> frozenset[int] | None:
        """The devices that the user's work is bound to now; None: any."""
        there = self._devices.get(work.user_id)
        if not work.gpu_limit or there is None or len(there) < work.gpu_limit:
            return None
        return frozenset(there)

    def may_have(self, work: Work, device: int) -> bool:
        bound = self.bound(work)
        return bound is None or device in bound

    def took(self, work: Work, device: int) -> None:
        if work.gpu_limit:
            self._devices.setdefault(work.user_id, Counter())[device] += 1

    def left(self, work: Work, device: int) -> None:
        there = self._devices.get(work.user_id)
        if not work.gpu_limit or there is None:
            return
        there[device] -= 1
        if not there[device]:
            del there[device]
        if not there:
            del self._devices[work.user_id]
