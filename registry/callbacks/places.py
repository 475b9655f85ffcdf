"""How many callbacks of one host and of one user are on their way at once from this process."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class CallbackPlaces:
    """Places that are taken; an address that is slow keeps its own places and nobody else's."""

    per_host: int = 4
    per_user: int = 8
    hosts: Counter[str] = field(default_factory=Counter[str])
    users: Counter[str] = field(default_factory=Counter[str])

    def copy(self) -> "CallbackPlaces":
        return CallbackPlaces(self.per_host, self.per_user, self.hosts.copy(), self.users.copy())

    def take(self, host: str, user_id: str) -> bool:
        """Take one; False, and nothing is taken, where there is none."""
        if self.hosts[host] >= self.per_host or self.users[user_id] >= self.per_user:
            return False
        self.hosts[host] += 1
        self.users[user_id] += 1
        return True

    def free(self, host: str, user_id: str) -> None:
        for taken, name in ((self.hosts, host), (self.users, user_id)):
            taken[name] -= 1
            if not taken[name]:
                del taken[name]

    @property
    def full_hosts(self) -> list[str]:
        return [host for host, taken in self.hosts.items() if taken >= self.per_host]

    @property
    def full_users(self) -> list[str]:
        return [user for user, taken in self.users.items() if taken >= self.per_user]
