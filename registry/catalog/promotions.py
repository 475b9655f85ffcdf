"""The champion of each model, since when, and the version it replaced."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from modelyard.registry.catalog.model import CHAMPION
from modelyard.registry.catalog.tables import AliasRow, VersionRow
from modelyard.registry.database import Database


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that became its model's champion at time `at`, replacing `previous_id`."""

    version_id: str
    previous_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Promotions:
    """Looks up the champions of the models that given versions belong to."""

    db: Database

    def around(self, version_ids: Collection[str]) -> list[Promotion]:
        models = select(VersionRow.model_id).where(VersionRow.id.in_(version_ids))
        champions = select(AliasRow).where(
            AliasRow.alias == CHAMPION, AliasRow.model_id.in_(models)
        )
        with self.db.read() as session:
            rows = session.scalars(champions).all()
        return [Promotion(row.version_id, row.previous_id, row.updated_at) for row in rows]

    def replaced(self) -> set[str]:
        """The versions that the champions of now replaced: what a rollback leads to."""
        before = select(AliasRow.previous_id).where(
            AliasRow.alias == CHAMPION,
            AliasRow.previous_id.is_not(None),
            AliasRow.previous_id != AliasRow.version_id,
        )
        with self.db.read() as session:
            return {previous for previous in session.scalars(before) if previous}
