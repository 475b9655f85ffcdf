"""Ends a simulated process at one of its commits: just before it, or just after."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import event
from sqlalchemy.orm import Session

from modelyard.registry.database import Database


class ProcessDied(BaseException):
    """A kill -9 of the simulation; no `except Exception` of the product's sees it."""


@dataclass(slots=True)
class CommitCrashes:
    """Counts the commits of one database's writers; `seen` are those since `armed`."""

    db: Database
    _at: int = 0
    _is_after: bool = False
    _seen: int = field(default=0)

    def __post_init__(self) -> None:
        event.listen(self.db.writers, "before_commit", self._before)
        event.listen(self.db.writers, "after_commit", self._after)

    def close(self) -> None:
        event.remove(self.db.writers, "before_commit", self._before)
        event.remove(self.db.writers, "after_commit", self._after)

    @contextmanager
    def armed(self, at: int, *, is_after: bool) -> Generator[None]:
        """The process dies at its commit of number `at`, from 1; 0: it does not."""
        self._at = at
        self._is_after = is_after
        self._seen = 0
        try:
            yield
        finally:
            self._at = 0

    def _before(self, _session: Session) -> None:
        self._seen += 1
        if self._seen == self._at and not self._is_after:
            raise ProcessDied

    def _after(self, _session: Session) -> None:
        if self._seen == self._at and self._is_after:
            raise ProcessDied
