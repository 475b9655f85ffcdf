"""Creates a version inside one transaction: its model, its number and its first alias."""

import re
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.catalog.model import CANDIDATE, CHAMPION, ModelRef, Visibility
from modelyard.registry.catalog.names import claim
from modelyard.registry.catalog.tables import AliasRow, ModelRow, PreparationRow, VersionRow
from modelyard.registry.database import utc_now
from modelyard.registry.errors import AlreadyExists, InvalidName, UnknownModel

T = TypeVar("T")

_RESERVED = re.compile(r"latest|v\d+")  # reserved by MLflow


def check_alias(name: str, alias: str) -> None:
    """Raise InvalidName if `alias` cannot be an alias of the model."""
    if ModelRef.parse(f"{name}@{alias}").alias != alias or _RESERVED.fullmatch(alias):
        raise InvalidName(
            f"'{alias}' cannot be an alias.", fix="MLflow keeps latest, v1, v2 and so on."
        )


def found(row: T | None, name: object) -> T:
    """Return `row`; raises UnknownModel if it is empty."""
    if not row:
        raise UnknownModel(f"There is no model '{name}'.", fix="See `modelyard models list`.")
    return row


def refuse_version(ref: ModelRef, latest: Sequence[VersionRow]) -> None:
    """Raise UnknownModel that tells the model's latest versions, if there are any."""
    if latest:
        names = [
            f"{v.number} ({', '.join(a.alias for a in v.aliases)})" if v.aliases else str(v.number)
            for v in latest
        ]
        raise UnknownModel(
            f"There is no model '{ref}'.",
            fix=f"Its latest versions are {', '.join(names)}: write {ref.name}@{latest[0].number}.",
        )


def lock(session: Session, name: str) -> ModelRow | None:
    """The model, with its row locked: other writers of its versions and aliases wait."""
    return session.scalar(select(ModelRow).where(ModelRow.name == name).with_for_update())


def own_model(
    session: Session, name: str, visibility: Visibility, owner_id: str | None
) -> ModelRow:
    """The locked model of that name, created now or earlier by the same owner.

    Raises AlreadyExists if it belongs to another owner, or nearly the same name is taken. A name
    without any finished version has no owner yet: the caller takes it over, and unfinished versions
    of the previous owner are deleted.
    """
    if lock(session, name) is None:
        try:
            with session.begin_nested():
                session.add(
                    ModelRow(
                        name=name,
                        visibility=visibility,
                        owner_id=owner_id,
                        last_number=claim(session, name),
                    )
                )
        except IntegrityError:  # another process created it first
            session.expire_all()
    model = found(lock(session, name), name)
    if (model.visibility, model.owner_id) == (visibility, owner_id):
        return model
    if not any(version.finished_at for version in model.versions):
        model.versions.clear()
        model.visibility = visibility
        model.owner_id = owner_id
        session.flush()
    elif owner_id not in {None, model.owner_id}:
        raise AlreadyExists(f"The model name '{name}' is taken.", fix="Choose another with --name.")
    return model


def append(session: Session, model: ModelRow, row: VersionRow) -> VersionRow:
    """Add a version to the model with the model's next number."""
    model.last_number += 1
    row.number = model.last_number
    model.versions.append(row)
    session.flush()
    return row


def finish(session: Session, row: VersionRow, mlflow_version: str | None) -> None:
    """Make a version of a locked model visible: as champion if there is none, else as candidate.

    A version that is already finished keeps its aliases. If its MLflow version number has changed,
    its aliases are marked to be sent to MLflow again.
    """
    if row.mlflow_version != mlflow_version:
        row.mlflow_version = mlflow_version
        unheard = update(AliasRow).where(AliasRow.version_id == row.id)
        session.execute(unheard.values(recorded_id=None, updated_at=AliasRow.updated_at))
    if row.finished_at is None:
        row.finished_at = utc_now()
        champion = session.get(AliasRow, (row.model_id, CHAMPION))
        point(session, row, CANDIDATE if champion else CHAMPION)


def point(session: Session, row: VersionRow, alias: str) -> None:
    """Point an alias at the version and remember the previous one; no change if already there.

    This cancels any other preparation for the alias.
    """
    mine = PreparationRow.model_id == row.model_id, PreparationRow.alias == alias
    session.execute(delete(PreparationRow).where(*mine))
    there = session.get(AliasRow, (row.model_id, alias))
    if there is None:
        session.add(AliasRow(model_id=row.model_id, alias=alias, version_id=row.id))
    elif there.version_id != row.id:
        there.previous_id, there.version_id = there.version_id, row.id
    candidate = session.get(AliasRow, (row.model_id, CANDIDATE))
    if alias == CHAMPION and candidate and candidate.version_id == row.id:
        session.delete(candidate)
    session.flush()
    session.expire(row, ["aliases", "preparations"])
