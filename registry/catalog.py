"""The versions that exist, who may see them, and the aliases that point at them."""

import builtins
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, contains_eager, selectinload

from registry.errors import AlreadyExists, InvalidName, UnknownModel
from registry.names import (
    CANDIDATE,
    CHAMPION,
    Caller,
    ModelFacts,
    ModelRef,
    ModelVersion,
    StoredFile,
    Visibility,
)
from registry.results import Results
from registry.rows import facts_row, file_rows, version_of
from registry.tables import AliasRow, ModelRow, VersionRow

T = TypeVar("T")
_RESERVED = re.compile(r"latest|v\d+")  # MLflow's


def identity_of(main_sha256: str, revision: str) -> str:
    """What makes two builds the same one: the main file's content and the Hub commit."""
    return hashlib.sha256(f"{main_sha256}:{revision}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Catalog(Results):
    """Models, versions and aliases; a `caller` of None is the service itself and sees all."""

    def register(  # noqa: PLR0913, PLR0917 - a version is as much as this
        self,
        name: str,
        repo: str,
        revision: str,
        facts: ModelFacts,
        files: Sequence[StoredFile],
        metrics: Mapping[str, float],
        visibility: Visibility = Visibility.PUBLIC,
        owner_id: str | None = None,
    ) -> ModelVersion:
        """Add a version, `files[0]` being the one the engine opens; the same build adds nothing.

        The first version of a model becomes its champion, later ones its candidate.
        """
        new = VersionRow(
            identity=identity_of(files[0].sha256, revision),
            repo=repo,
            revision=revision,
            facts=facts_row(facts),
            metrics=dict(metrics),
            files=file_rows(files),
        )
        with self.db.begin() as session:
            model = _own_model(session, name, visibility, owner_id)
            same = VersionRow.model_id == model.id, VersionRow.identity == new.identity
            row = session.scalar(_versions().where(*same)) or _append(session, model, new)
            return version_of(row)

    def find(self, ref: ModelRef, caller: Caller | None = None) -> ModelVersion:
        """The version a name means; raises UnknownModel where the caller may see none."""
        wanted = _versions().where(_named(ref), _visible(caller))
        best = wanted.order_by(_has_alias(CHAMPION).desc(), VersionRow.number.desc()).limit(1)
        with self.db.read() as session:
            version = version_of(_found(session.scalar(best), ref))
        if ref.adapter is not None:
            _found(version.adapter(ref.adapter), ref)
        return version

    def by_id(self, version_id: str) -> ModelVersion:
        with self.db.read() as session:
            row = session.scalar(_versions().where(VersionRow.id == version_id))
            return version_of(_found(row, version_id))

    def by_identity(self, name: str, identity: str) -> ModelVersion | None:
        """The version of a model that is this build already; see `identity_of`."""
        wanted = _versions().where(ModelRow.name == name, VersionRow.identity == identity)
        with self.db.read() as session:
            row = session.scalar(wanted)
            return version_of(row) if row else None

    def list(self, caller: Caller | None = None) -> list[ModelVersion]:
        """Every version the caller may see, by name, the newest first."""
        wanted = _versions().where(_visible(caller))
        with self.db.read() as session:
            rows = session.scalars(wanted.order_by(ModelRow.name, VersionRow.number.desc()))
            return [version_of(row) for row in rows]

    def set_alias(self, name: str, alias: str, number: int) -> ModelVersion:
        """Point an alias at a version; a candidate that becomes champion is candidate no more."""
        _check_alias(name, alias)
        ref = ModelRef(name, number=number)
        with self.db.begin() as session:
            _lock(session, name)
            row = _found(session.scalar(_versions().where(_named(ref))), ref)
            _point(session, row, alias)
            return version_of(row)

    def set_mlflow_version(self, version_id: str, mlflow_version: str) -> None:
        with self.db.begin() as session:
            row = _found(session.get(VersionRow, version_id), version_id)
            row.mlflow_version = mlflow_version

    def remove(self, ref: ModelRef) -> builtins.list[ModelVersion]:
        """Forget a version, or with a bare name the whole model; returns what was forgotten."""
        with self.db.begin() as session:
            model = _found(_lock(session, ref.name), ref)
            rows = session.scalars(_versions().where(_named(ref))).all()
            _found(rows, ref)
            removed = [version_of(row) for row in rows]
            for row in rows:
                model.versions.remove(row)
            if not model.versions:
                session.delete(model)
            return removed

    def fingerprint(self) -> str:
        """A short text that changes whenever a version or an alias does, for caches."""
        versions = select(func.count(), func.max(VersionRow.created_at))
        aliases = select(func.count(), func.max(AliasRow.updated_at))
        with self.db.read() as session:
            return str((*session.execute(versions).one(), *session.execute(aliases).one()))


def _check_alias(name: str, alias: str) -> None:
    if ModelRef.parse(f"{name}@{alias}").alias != alias or _RESERVED.fullmatch(alias):
        raise InvalidName(
            f"'{alias}' cannot be an alias.", fix="MLflow keeps latest, v1, v2 and so on."
        )


def _versions() -> Select[tuple[VersionRow]]:
    return (
        select(VersionRow)
        .join(VersionRow.model)
        .options(
            contains_eager(VersionRow.model).selectinload(ModelRow.adapters),
            selectinload(VersionRow.files),
            selectinload(VersionRow.aliases),
        )
    )


def _named(ref: ModelRef) -> ColumnElement[bool]:
    named = ModelRow.name == ref.name
    if ref.number is not None:
        return named & (VersionRow.number == ref.number)
    return named & _has_alias(ref.alias) if ref.alias else named


def _has_alias(alias: str) -> ColumnElement[bool]:
    return VersionRow.aliases.any(AliasRow.alias == alias)


def _visible(caller: Caller | None) -> ColumnElement[bool]:
    if caller is None or caller.is_admin:
        return true()
    return or_(ModelRow.visibility == Visibility.PUBLIC, ModelRow.owner_id == caller.user_id)


def _found(row: T | None, name: object) -> T:
    if not row:
        raise UnknownModel(f"There is no model '{name}'.", fix="See `modelyard models list`.")
    return row


def _lock(session: Session, name: str) -> ModelRow | None:
    """The model, with writers of its versions and aliases queueing behind this transaction."""
    return session.scalar(select(ModelRow).where(ModelRow.name == name).with_for_update())


def _own_model(
    session: Session, name: str, visibility: Visibility, owner_id: str | None
) -> ModelRow:
    """The locked model of that name, made now or earlier by the same owner."""
    if _lock(session, name) is None:
        try:
            with session.begin_nested():
                session.add(ModelRow(name=name, visibility=visibility, owner_id=owner_id))
        except IntegrityError:  # another process was first
            session.expire_all()
    model = _found(_lock(session, name), name)
    if owner_id is not None and model.owner_id != owner_id:
        raise AlreadyExists(f"The model name '{name}' is taken.", fix="Choose another with --name.")
    return model


def _append(session: Session, model: ModelRow, row: VersionRow) -> VersionRow:
    champion = session.get(AliasRow, (model.id, CHAMPION))
    model.last_number += 1
    row.number = model.last_number
    model.versions.append(row)
    session.flush()
    _point(session, row, CANDIDATE if champion else CHAMPION)
    return row


def _point(session: Session, row: VersionRow, alias: str) -> None:
    """Move an alias, which remembers what it pointed at; one that is there already stays as is."""
    there = session.get(AliasRow, (row.model_id, alias))
    if there is None:
        session.add(AliasRow(model_id=row.model_id, alias=alias, version_id=row.id))
    elif there.version_id != row.id:
        there.previous_id, there.version_id = there.version_id, row.id
    candidate = session.get(AliasRow, (row.model_id, CANDIDATE))
    if alias == CHAMPION and candidate and candidate.version_id == row.id:
        session.delete(candidate)
    session.flush()
    session.expire(row, ["aliases"])
