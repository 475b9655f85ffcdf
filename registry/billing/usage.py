"""Usage of every request: written in batches, exactly once, and summed for reports."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import msgspec
from sqlalchemy import case, func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.database import Database
from modelyard.registry.identity.tables import UserRow

REQUEST = "request"
LOST = "lost"
"""Status of a request whose end was not recorded; it is booked with its reserved token counts."""

DAY_MS = 86_400_000

PART = 500
"""Rows per INSERT statement, within SQLite's limit on bound values."""


class UsageRecord(msgspec.Struct, frozen=True, gc=False):
    """One request; `at` is its start in ms since 1970; `status` is an HTTP status, 499 or `lost`.

    The gateway generates `id`, which is unique together with `kind`; the client may choose
    `request_id`. `first_byte_ms` is None if the engine never answered.
    """

    id: str
    request_id: str
    at: int
    user_id: str
    model: str
    version_id: str
    device_id: str
    route: str
    status: str
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    first_byte_ms: float | None
    total_ms: float
    kind: str = REQUEST


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """One user's requests to one model on one UTC day; `day` counts days since 1970."""

    day: int
    user: str
    model: str
    requests: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class UsageBook:
    """The usage table; adding a row that already exists changes nothing."""

    db: Database

    def add(self, rows: Sequence[UsageRecord]) -> None:
        """Write all rows in one transaction, in few statements that run without Python's GIL."""
        with self.db.begin() as session:
            connection = session.connection()
            if not self.db.is_sqlite:
                connection.exec_driver_sql(_FROM_JSON, (msgspec.json.encode(rows).decode(),))
                return
            for part in (rows[i : i + PART] for i in range(0, len(rows), PART)):
                values = chain.from_iterable(map(msgspec.structs.astuple, part))
                connection.exec_driver_sql(_from_values(len(part)), tuple(values))

    def totals(self, days: int, user: str | None = None) -> list[UsageTotal]:
        """Requests and tokens of the last `days` days by day, user and model, latest day first."""
        day = UsageRow.at.op("/")(DAY_MS).label("day")
        name = func.coalesce(UserRow.name, UsageRow.user_id).label("user")
        query = (
            select(
                day,
                name,
                UsageRow.model,
                func.count(),
                func.sum(FAILED),
                func.sum(UsageRow.prompt_tokens),
                func.sum(UsageRow.cached_tokens),
                func.sum(UsageRow.output_tokens),
            )
            .outerjoin(UserRow, UserRow.id == UsageRow.user_id)
            .where(UsageRow.at >= _since(days * DAY_MS))
            .group_by(day, name, UsageRow.model)
            .order_by(day.desc(), name, UsageRow.model)
        )
        if user is not None:
            query = query.where(UserRow.name == user)
        with self.db.read() as session:
            return [_total(*row) for row in session.execute(query)]

    def failure_rates(self, within_s: float) -> dict[str, float]:
        """Share of failed requests (0..1) by device, of those begun in the last `within_s` s."""
        query = (
            select(UsageRow.device_id, func.sum(FAILED), func.count())
            .where(UsageRow.at >= _since(within_s * 1000))
            .group_by(UsageRow.device_id)
        )
        with self.db.read() as session:
            return {device: int(failed) / count for device, failed, count in session.execute(query)}


FAILED = case((UsageRow.status >= "500", 1), else_=0)  # compared as text: 5xx and `lost`
_NAMES = UsageRecord.__struct_fields__
_INTO = f"INSERT INTO usage ({', '.join(_NAMES)})"
_VALUES = ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in {"id", "kind"})
_ONCE = (
    f"ON CONFLICT (id, kind) DO UPDATE SET {_VALUES} "
    "WHERE usage.status <> '200' AND excluded.status <> 'lost'"
)
"""Each request is booked once. One that was queued is tried again under the same id: its answer
takes the place of a try that failed or was lost, and nothing takes the place of an answer."""

_FROM_JSON = " ".join(  # PostgreSQL parses the rows itself, and updates none twice at once
    (
        f"{_INTO} SELECT DISTINCT ON (id, kind) {', '.join(_NAMES)}",
        "FROM json_populate_recordset(NULL::usage, %s)",
        f"ORDER BY id, kind, status <> '200', status = 'lost' {_ONCE}",
    )
)


@cache
def _from_values(rows: int) -> str:
    row = f"({', '.join('?' * len(_NAMES))})"
    return f"{_INTO} VALUES {', '.join([row] * rows)} {_ONCE}"


def _since(within_ms: float) -> int:
    return int(time.time() * 1000 - within_ms)


def _total(day: int, user: str, model: str, *sums: int) -> UsageTotal:
    return UsageTotal(int(day), user, model, *(int(value) for value in sums))  # PostgreSQL: numeric
