"""Looks for the jobs that are next, at a few rows of each priority however many wait."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import TextualSelect, bindparam, text
from sqlalchemy.orm import Session

from modelyard.registry.database import UtcDateTime
from modelyard.registry.jobs.limits import MOST_PRIORITY
from modelyard.registry.jobs.turns.order import Candidate, WaitingLine

SLOW_S = 0.01
RARELY = 25
"""After a slow look, so many times as long may pass before the next one like it."""

_BEGINNING = (-1.0, datetime(1970, 1, 1, tzinfo=UTC))
_ORDERS = (("turn", "rank", "rank, deadline"), ("age", "submitted_at", "submitted_at, rank"))
_ONE_OF_FLOWS = "type IN ('training', 'fine-tuning')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """For which jobs: of a model, or flows of any where `model` is None; without those passed."""

    model: str | None
    least_priority: int
    most: int
    now: datetime
    passed: Collection[str] = ()


@dataclass(slots=True)
class Looking:
    """Finds candidates, and remembers where the waiting jobs of each line begin.

    PostgreSQL keeps the entries of jobs that are gone for as long as any transaction anywhere might
    read them, and they lie before all that wait. Where that made a look slow, the next ones begin
    at what it found; jobs that another process gives back meanwhile are found a moment later.
    """

    slow_s: float = SLOW_S
    _from: dict[tuple[str | None, int], tuple[float, datetime]] = field(
        default_factory=dict[tuple[str | None, int], tuple[float, datetime]]
    )
    _until: float = 0.0

    def forget(self) -> None:
        """Begin at the beginning again: a job went back to its old place."""
        self._from = {}
        self._until = 0.0

    def look(self, session: Session, look: Look) -> list[WaitingLine]:
        if time.monotonic() >= self._until:
            self._from = {}
        begin = time.monotonic()
        lines = self._lines(session, look)
        took = time.monotonic() - begin
        if not self._from and took > self.slow_s and session.get_bind().dialect.name != "sqlite":
            self._until = time.monotonic() + RARELY * took
        if time.monotonic() < self._until:
            self._from |= {
                (look.model, priority): (line.by_turn[0].rank, line.by_age[0].submitted_at)
                for priority, line in lines.items()
                if line.by_turn and line.by_age
            }
        return list(lines.values())

    def _lines(self, session: Session, look: Look) -> dict[int, WaitingLine]:
        lines = {p: WaitingLine([], []) for p in range(look.least_priority, MOST_PRIORITY + 1)}
        values: dict[str, Any] = {"now": look.now, "most": look.most}
        for priority in lines:
            begin = self._from.get((look.model, priority), _BEGINNING)
            values |= {f"turn_{priority}": begin[0], f"age_{priority}": begin[1]}
        if look.model is not None:
            values["model"] = look.model
        if look.passed:
            values["passed"] = list(look.passed)
        query = _query(look.model is None, look.least_priority, is_again=bool(look.passed))
        for row in session.execute(query, values):
            one = Candidate(row.id, row.priority, row.submitted_at, row.rank)
            line = lines[row.priority]
            (line.by_turn if row.part == "turn" else line.by_age).append(one)
        return lines


@cache
def _query(is_flow: bool, least_priority: int, *, is_again: bool) -> TextualSelect:  # noqa: FBT001
    """Each priority twice, so that either order has as many as are wanted."""
    which = _ONE_OF_FLOWS if is_flow else f"model = :model AND NOT {_ONE_OF_FLOWS}"
    others = " AND id NOT IN :passed" if is_again else ""
    parts = [
        f"SELECT * FROM (SELECT id, priority, submitted_at, rank, '{part}' AS part FROM jobs"  # noqa: S608  of constants
        f" WHERE status = 'queued' AND {which} AND priority = {priority}"
        f" AND {first} >= :{part}_{priority}"
        f" AND eligible_at <= :now AND deadline > :now{others}"
        f" ORDER BY {order} LIMIT :most) AS {part}_{priority}"
        for priority in range(least_priority, MOST_PRIORITY + 1)
        for part, first, order in _ORDERS
    ]
    times = ["now", *(f"age_{p}" for p in range(least_priority, MOST_PRIORITY + 1))]
    typed = [bindparam(name, type_=UtcDateTime()) for name in times]
    if is_again:
        typed.append(bindparam("passed", expanding=True))
    return text(" UNION ALL ".join(parts)).bindparams(*typed).columns(submitted_at=UtcDateTime())
