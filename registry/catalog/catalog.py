"""Model versions, who may see them, and the aliases that point at them."""

import builtins
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.orm import Session, contains_eager, selectinload

from modelyard.registry.catalog.mapping import facts_row, file_rows, version_of
from modelyard.registry.catalog.model import (
    CHAMPION,
    ModelFacts,
    ModelRef,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.catalog.names import retire
from modelyard.registry.catalog.registration import (
    append,
    check_alias,
    finish,
    found,
    lock,
    own_model,
    point,
    refuse_version,
)
from modelyard.registry.catalog.tables import AliasRow, ModelRow, VersionFileRow, VersionRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import UnknownModel
from modelyard.registry.identity.caller import Caller


def identity_of(main_sha256: str, revision: str) -> str:
    """The identity of a build: a hash of the main file's content hash and the Hub commit."""
    return hashlib.sha256(f"{main_sha256}:{revision}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Catalog:
    """Models, versions and aliases; a `caller` of None is the service itself and sees all."""

    db: Database

    def register(  # noqa: PLR0913, PLR0917 - a version has this many parts
        self,
        name: str,
        repo: str,
        revision: str,
        facts: ModelFacts,
        files: Sequence[StoredFile],
        metrics: Mapping[str, float],
        visibility: Visibility = Visibility.PUBLIC,
        owner_id: str | None = None,
        *,
        pending: bool = False,
    ) -> ModelVersion:
        """Add a version; registering the same build again adds nothing.

        The engine opens `files[0]`. A model's first version becomes its champion, later ones its
        candidate. A pending version only gets its number: it stays invisible until `finish`.
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
            model = own_model(session, name, visibility, owner_id)
            same = VersionRow.model_id == model.id, VersionRow.identity == new.identity
            row = session.scalar(_all().where(*same)) or append(session, model, new)
            if row.finished_at is None:
                row.created_at = utc_now()  # restarts the clock of a registration begun earlier
                if not pending:
                    finish(session, row, None)
            return version_of(row)

    def finish(self, version_id: str, mlflow_version: str) -> ModelVersion:
        """Make a pending version visible, with its first alias and its MLflow version number.

        Raises UnknownModel if the registration was given up meanwhile. A finished version stays
        finished.
        """
        wanted = _all().where(VersionRow.id == version_id)
        with self.db.begin() as session:
            if begun := session.scalar(wanted):
                lock(session, begun.model.name)
                session.expire_all()  # another process may have finished or dropped it
            row = session.scalar(wanted)
            if row is None:
                raise UnknownModel("This registration was given up.", fix="Run the same again.")
            finish(session, row, mlflow_version)
            return version_of(row)

    def pending(self, name: str | None = None) -> builtins.list[ModelVersion]:
        """The versions with an unfinished registration, of one model or of all."""
        wanted = _all().where(VersionRow.finished_at.is_(None))
        if name is not None:
            wanted = wanted.where(ModelRow.name == name)
        with self.db.read() as session:
            return [version_of(row) for row in session.scalars(wanted)]

    def give_up(
        self,
        begun_before: datetime,
        let_go: Callable[[ModelVersion], None],
        versions: Sequence[ModelVersion] | None = None,
    ) -> builtins.list[ModelVersion]:
        """Delete unfinished registrations begun before `begun_before`, and return them.

        All of them, or those among `versions`.

        `let_go` is called for each version under the lock that keeps it from being resumed; if
        `let_go` raises, that version stays.
        """
        among = self.pending() if versions is None else versions
        return [version for version in among if self._give_up(version, begun_before, let_go)]

    def find(self, ref: ModelRef, caller: Caller | None = None) -> ModelVersion:
        """The version that `ref` names; raises UnknownModel if the caller may see none."""
        wanted = _versions().where(_named(ref), _visible(caller))
        best = wanted.order_by(_has_alias(CHAMPION).desc(), VersionRow.number.desc()).limit(1)
        with self.db.read() as session:
            row = session.scalar(best)
            if row is None and (ref.number is not None or ref.alias):
                same = _versions().where(ModelRow.name == ref.name, _visible(caller))
                latest = same.order_by(VersionRow.number.desc()).limit(5)
                refuse_version(ref, session.scalars(latest).all())
            version = version_of(found(row, ref))
        if ref.adapter is not None:
            found(version.adapter(ref.adapter), ref)
        return version

    def by_id(self, version_id: str) -> ModelVersion:
        with self.db.read() as session:
            row = session.scalar(_versions().where(VersionRow.id == version_id))
            return version_of(found(row, version_id))

    def removed(self, version_ids: Collection[str]) -> set[str]:
        """Those of the ids that no version has any more."""
        with self.db.read() as session:
            left = session.scalars(select(VersionRow.id).where(VersionRow.id.in_(version_ids)))
            return set(version_ids) - set(left)

    def by_identity(self, name: str, identity: str) -> ModelVersion | None:
        """The version of a model with this build identity; see `identity_of`."""
        wanted = _versions().where(ModelRow.name == name, VersionRow.identity == identity)
        with self.db.read() as session:
            row = session.scalar(wanted)
            return version_of(row) if row else None

    def by_main_file(self, sha256: str) -> ModelVersion | None:
        """The newest version that the engine serves from this file."""
        main = VersionRow.files.any(
            (VersionFileRow.position == 0) & (VersionFileRow.sha256 == sha256)
        )
        newest = _versions().where(main).order_by(VersionRow.finished_at.desc()).limit(1)
        with self.db.read() as session:
            row = session.scalar(newest)
            return version_of(row) if row else None

    def list(self, caller: Caller | None = None) -> list[ModelVersion]:
        """Every version the caller may see, ordered by model name, newest version first."""
        wanted = _versions().where(_visible(caller))
        with self.db.read() as session:
            rows = session.scalars(wanted.order_by(ModelRow.name, VersionRow.number.desc()))
            return [version_of(row) for row in rows]

    def set_alias(self, name: str, alias: str, number: int) -> ModelVersion:
        """Point an alias at a version; a candidate that becomes champion stops being candidate."""
        check_alias(name, alias)
        ref = ModelRef(name, number=number)
        with self.db.begin() as session:
            lock(session, name)
            row = found(session.scalar(_versions().where(_named(ref))), ref)
            point(session, row, alias)
            return version_of(row)

    def remove(self, ref: ModelRef) -> builtins.list[ModelVersion]:
        """Delete a version or, for a bare name, the whole model; returns the deleted versions."""
        with self.db.begin() as session:
            model = found(lock(session, ref.name), ref)
            rows = session.scalars(_all().where(_named(ref))).all()
            found(rows, ref)
            removed = [version_of(row) for row in rows]
            for row in rows:
                _drop(session, model, row)
            return removed

    def fingerprint(self) -> str:
        """A short text that changes whenever a version or an alias changes, for caches."""
        versions = select(func.count(VersionRow.finished_at), func.max(VersionRow.finished_at))
        aliases = select(func.count(), func.max(AliasRow.updated_at))
        with self.db.read() as session:
            return str((*session.execute(versions).one(), *session.execute(aliases).one()))

    def _give_up(
        self, version: ModelVersion, begun_before: datetime, let_go: Callable[[ModelVersion], None]
    ) -> bool:
        with self.db.begin() as session:
            model = lock(session, version.model)
            row = session.get(VersionRow, version.id)
            if model is None or row is None or row.finished_at or row.created_at >= begun_before:
                return False
            let_go(version)
            _drop(session, model, row)
            return True


def _drop(session: Session, model: ModelRow, row: VersionRow) -> None:
    """Delete a version, and its model if it was the last one.

    The number of one that was never finished, which nobody has seen, is given again.
    """
    if row.finished_at is None and row.number == model.last_number:
        model.last_number -= 1
    model.versions.remove(row)
    if not model.versions:
        retire(session, model)
        session.delete(model)


def _versions() -> Select[tuple[VersionRow]]:
    """Query for finished versions."""
    return _all().where(VersionRow.finished_at.is_not(None))


def _all() -> Select[tuple[VersionRow]]:
    return (
        select(VersionRow)
        .join(VersionRow.model)
        .options(
            contains_eager(VersionRow.model).selectinload(ModelRow.adapters),
            selectinload(VersionRow.files),
            selectinload(VersionRow.aliases),
            selectinload(VersionRow.preparations),
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
