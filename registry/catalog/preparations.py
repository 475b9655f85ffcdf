"""Preparations of versions for an alias: begun, then switched in one transaction or given up.

A preparation is a row with an end time. If the promoting process dies, the alias stays where it was
and the row is ignored after its end time.
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
"""Seconds, beyond the wait for the version, until the promoting process counts as dead."""


@dataclass(frozen=True, slots=True)
class PromotionTicket:
    """The right to move an alias to `version`; until then the alias points at `previous_id`."""

    id: str
    version: ModelVersion
    alias: str
    previous_id: str | None


@dataclass(frozen=True, slots=True)
class Preparations:
    """The catalog's preparations; the latest one for an alias wins."""

    db: Database

    def begin(self, version: ModelVersion, alias: str, wait_s: float) -> PromotionTicket:
        """Start a preparation, replacing any other for the alias; raises InvalidName, UnknownModel.

        `wait_s`: seconds to wait for the version to become ready.
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
        """Raise PromotionSuperseded if the ticket is no longer valid."""
        with self.db.read() as session:
            _held(session, ticket)

    def switch(self, ticket: PromotionTicket) -> ModelVersion:
        """Move the alias and end the preparation; raises PromotionSuperseded, leaving the alias."""
        with self.db.begin() as session:
            lock(session, ticket.version.model)
            row = _held(session, ticket)
            point(session, row, ticket.alias)
            return version_of(row)

    def give_up(self, ticket: PromotionTicket) -> None:
        """End the preparation without moving the alias; does nothing for a used ticket."""
        with self.db.begin() as session:
            session.execute(delete(PreparationRow).where(PreparationRow.id == ticket.id))

    def standing(self) -> list[str]:
        """The ids of versions being prepared now."""
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
