"""Named numbers that only grow, kept in the database, such as the last id that was given out."""

from sqlalchemy import BigInteger, String, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from modelyard.registry.database import Base


class MarkRow(Base):
    """A named number; a transaction that moves it holds the row until it commits."""

    __tablename__ = "marks"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


def value_of(session: Session, name: str) -> int:
    """The number; 0 if it was never moved."""
    return session.scalar(select(MarkRow.value).where(MarkRow.name == name)) or 0


def advance(session: Session, name: str, by: int) -> int:
    """Add `by` and return the new number; the migrations enter each name that is advanced.

    Others who advance the same number wait for this transaction's end, so numbers are given in the
    order of the commits, and none is left out by a transaction that fails.
    """
    mine = update(MarkRow).where(MarkRow.name == name)
    moved = mine.values(value=MarkRow.value + by).returning(MarkRow.value)
    return session.scalars(moved).one()


def raise_to(session: Session, name: str, value: int) -> bool:
    """Move the number up to `value`; False if it is there already, or further."""
    mine = update(MarkRow).where(MarkRow.name == name, MarkRow.value < value)
    if session.scalar(mine.values(value=value).returning(MarkRow.name)) is not None:
        return True
    known = session.scalar(select(MarkRow.name).where(MarkRow.name == name))
    if known is None:
        session.execute(insert(MarkRow).values(name=name, value=value))
    return known is None
