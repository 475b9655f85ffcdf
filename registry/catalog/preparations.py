"""Which versions are made ready for an alias: begun, then switched in one transaction, or given up.

A preparation is a row with an end. Whoever dies in between leaves the alias where it was, and a
row that counts for nothing once its time is over.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from modelyard.registry.catalog.mapping import version_of
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.catalog.registration import check_alias, found, lock, point
from modelyard.registry.catalog.tables import AliasRow, PreparationRow, VersionRow
from modelyard.registry.database import Database, new_id, utc_now
from modelyard.registry.errors import PromotionSuperseded

SWITCH_WITHIN_S = 60.0
"""Seconds on top of what is waited for, until the promoter counts as gone."""


@dataclass(frozen=True, slots=True)
class PromotionTicket:
    """The right to move an alias to `version`; `previous_id` is what it points at until then."""

    id: str
    version: ModelVersion
    alias: str
    previous_id: str | None


@dataclass(frozen=True, slots=True)
class Preparations:
    """The catalog's preparations: of those for one alias the latest holds."""

    db: Database

    def begin(self, version: ModelVersion, alias: str, wait_s: float) -> PromotionTicket:
        """Take the place of whatever is prepared for the alias; raises InvalidName, UnknownModel.

        `wait_s`: seconds that the version will be waited for.
        """
        check_alias(version.model, alias)
        with self.db.begin() as session:
            model = found(lock(session, version.model), version.model)
            found(session.get(VersionRow, version.id), version.ref)
            now = utc_now()
            row = PreparationRow(
                model_id=model.id,
                alias=alias,
                version_id=version.id,
                id=new_id(),
                since=now,
                until=now + timedelta(seconds=wait_s + SWITCH_WITHIN_S),
            )
            there = session.get(AliasRow, (model.id, alias))
            session.merge(row)
            return PromotionTicket(row.id, version, alias, there.version_id if there else None)

    def check(self, ticket: PromotionTicket) -> None:
        """Raises PromotionSuperseded where the ticket holds no more."""
        with self.db.read() as session:
            _held(session, ticket)

    def switch(self, ticket: PromotionTicket) -> ModelVersion:
        """Move the alias, and be done; raises PromotionSuperseded, and the alias stays."""
        with self.db.begin() as session:
            lock(session, ticket.version.model)
            row = _held(session, ticket)
            point(session, row, ticket.alias)
            return version_of(row)

    def give_up(self, ticket: PromotionTicket) -> None:
        """The alias stays; of a ticket that was used already nothing is left."""
        with self.db.begin() as session:
            session.execute(delete(PreparationRow).where(PreparationRow.id == ticket.id))

    def standing(self) -> list[str]:
        """The ids of versions that somebody makes ready now."""
        with self.db.read() as session:
            now = select(PreparationRow.version_id).where(PreparationRow.until > utc_now())
            return list(session.scalars(now))


def _held(session: Session, ticket: PromotionTicket) -> VersionRow:
    mine = select(VersionRow).join(VersionRow.preparations)
    row = session.scalar(mine.where(PreparationRow.id == ticket.id))
    if row is None:
        ref = ticket.version.ref
        alias = ticket.alias
        raise PromotionSuperseded(
            f"The promotion of {ref} to {alias} was superseded: somebody moves {alias} elsewhere, "
            "or removed the version.",
            fix=f"See `modelyard models show {ticket.version.model}@{alias}`.",
        )
    return row
