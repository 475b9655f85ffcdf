"""How a version comes to be, inside one transaction: its model, its number, its first alias."""

import re
from typing import TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.catalog.model import CANDIDATE, CHAMPION, ModelRef, Visibility
from modelyard.registry.catalog.tables import AliasRow, ModelRow, PreparationRow, VersionRow
from modelyard.registry.database import utc_now
from modelyard.registry.errors import AlreadyExists, InvalidName, UnknownModel

T = TypeVar("T")

_RESERVED = re.compile(r"latest|v\d+")  # MLflow's


def check_alias(name: str, alias: str) -> None:
    """Raises InvalidName for what cannot be an alias of that model."""
    if ModelRef.parse(f"{name}@{alias}").alias != alias or _RESERVED.fullmatch(alias):
        raise InvalidName(
            f"'{alias}' cannot be an alias.", fix="MLflow keeps latest, v1, v2 and so on."
        )


def found(row: T | None, name: object) -> T:
    """Raises UnknownModel where there is none."""
    if not row:
        raise UnknownModel(f"There is no model '{name}'.", fix="See `modelyard models list`.")
    return row


def lock(session: Session, name: str) -> ModelRow | None:
    """The model, with writers of its versions and aliases queueing behind this transaction."""
    return session.scalar(select(ModelRow).where(ModelRow.name == name).with_for_update())


def own_model(
    session: Session, name: str, visibility: Visibility, owner_id: str | None
) -> ModelRow:
    """The locked model of that name, made now or earlier by the same owner.

    Raises AlreadyExists where it is somebody else's. A name under which nothing was ever finished
    belongs to nobody yet: who comes next has it, and what was begun for another is dropped.
    """
    if lock(session, name) is None:
        try:
            with session.begin_nested():
                session.add(ModelRow(name=name, visibility=visibility, owner_id=owner_id))
        except IntegrityError:  # another process was first
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
    """Give it the model's next number."""
    model.last_number += 1
    row.number = model.last_number
    model.versions.append(row)
    session.flush()
    return row


def finish(session: Session, row: VersionRow, mlflow_version: str | None) -> None:
    """Let a version of a locked model be seen: as champion where there is none, else candidate.

    One that is finished keeps its aliases; where MLflow has it under another number now, MLflow
    is to be told of them again.
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
    """Move an alias, which remembers what it pointed at; one that is there already stays as is.

    Whatever is being prepared for the alias can take it no more.
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
