"""Estimated and measured memory of loaded models, from which later estimates learn."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.tables import MemoryObservationRow


@dataclass(frozen=True, slots=True)
class Likeness:
    """The properties that make two loads comparable.

    `size` is the file's size in bytes, `context_length` that of one request in tokens.
    """

    device_kind: str
    format: str
    architecture: str
    quantization: str
    size: int
    context_length: int
    parallel: int
    batch: int
    options: str = ""

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Observation:
    """One load: bytes by part, as estimated before the load and as measured after it."""

    likeness: Likeness
    estimated: Mapping[str, int]
    measured: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MemoryObservations:
    """The table of loads: the latest for each likeness."""

    db: Database

    def record(self, seen: Observation) -> None:
        row = MemoryObservationRow(
            id=seen.likeness.key,
            device_kind=seen.likeness.device_kind,
            likeness=asdict(seen.likeness),
            estimated=dict(seen.estimated),
            measured=dict(seen.measured),
            seen_at=utc_now(),
        )
        with self.db.begin() as session:
            session.merge(row)

    def on(self, device_kind: str, most: int = 500) -> list[Observation]:
        """The latest loads on devices of a kind, newest first."""
        wanted = (
            select(MemoryObservationRow)
            .where(MemoryObservationRow.device_kind == device_kind)
            .order_by(MemoryObservationRow.seen_at.desc())
            .limit(most)
        )
        with self.db.read() as session:
            return [
                Observation(Likeness(**row.likeness), dict(row.estimated), dict(row.measured))
                for row in session.scalars(wanted)
            ]
