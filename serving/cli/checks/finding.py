"""What one check found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

from modelyard.registry.logs.hidden import without_logins


class Level(StrEnum):
    """How bad a finding is: only a failure makes `doctor` end with an error."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; logins inside addresses of servers are hidden."""

    check: str
    level: Level
    found: str
    fix: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", without_logins(self.found))


def ok(check: str, found: str) -> Finding:
    return Finding(check, Level.OK, found)


def warn(check: str, found: str, fix: str) -> Finding:
    return Finding(check, Level.WARN, found, fix)


def fail(check: str, found: str, fix: str) -> Finding:
    return Finding(check, Level.FAIL, found, fix)
