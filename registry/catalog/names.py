"""Names of models, those of removed ones too: one model each, whose numbers are given once.

Names that differ in upper and lower case only are one, as on the Hub; so are `a/b` and `a--b`,
which MLflow cannot tell apart.
"""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.catalog.tables import ModelNameRow, ModelRow
from modelyard.registry.errors import AlreadyExists


def claim(session: Session, name: str) -> int:
    """Take a name for a new model; returns the last number that a model of that name had.

    Raises AlreadyExists if a model of nearly the same name is there.
    """
    row = _row(session, name)
    if row.name != name:
        if session.scalar(select(ModelRow.id).where(ModelRow.name == row.name)) is not None:
            raise AlreadyExists(
                f"The model name '{name}' is taken: upper and lower case are one, and so are / "
                "and --.",
                fix="Write it as `modelyard models list` shows it, or choose another with --name.",
            )
        row.name = name
    return row.last_number


def retire(session: Session, model: ModelRow) -> None:
    """Remember the last number of a model that is about to be deleted."""
    row = _row(session, model.name)
    row.last_number = max(row.last_number, model.last_number)


def _row(session: Session, name: str) -> ModelNameRow:
    """The name's row, locked; it is made now if there is none."""
    folded = name.lower().replace("/", "--")
    wanted = select(ModelNameRow).where(ModelNameRow.folded == folded).with_for_update()
    if session.scalar(wanted) is None:
        try:
            with session.begin_nested():
                session.add(ModelNameRow(folded=folded, name=name, last_number=0))
        except IntegrityError:  # another process was first
            session.expire_all()
    return session.scalars(wanted).one()
