"""Sends the catalog's aliases to MLflow, and retries until MLflow has them.

The catalog is authoritative and records for each alias the version last sent to MLflow. So a
promotion never waits for MLflow, and an alias that MLflow missed is sent later.
"""

from dataclasses import dataclass

from sqlalchemy import Select, Update, select, update

from modelyard.registry.catalog.tables import AliasRow, ModelRow, VersionRow
from modelyard.registry.database import Database
from modelyard.registry.errors import MlflowUnavailable
from modelyard.registry.mlflow.mirror import MlflowRegistry


@dataclass(frozen=True, slots=True)
class _Untold:
    model_id: str
    model: str
    alias: str
    version_id: str
    number: str | None


@dataclass(frozen=True, slots=True)
class MlflowAliases:
    """Sends the aliases of a database's catalog to an MLflow registry."""

    db: Database
    mlflow: MlflowRegistry

    def tell(self, model: str | None = None) -> str:
        """Send the changed aliases of one model, or of all, to MLflow.

        Returns the last failure as text, or an empty string if all were sent.
        """
        problem = ""
        for untold in self._untold(model):
            try:
                self.mlflow.set_alias(untold.model, untold.alias, str(untold.number))
            except MlflowUnavailable as error:
                problem = f"MLflow has yet to hear of {untold.model}@{untold.alias}. {error}"
            else:
                self._note(untold)
        return problem

    def _untold(self, model: str | None) -> list[_Untold]:
        with self.db.read() as session:
            rows = session.execute(_wanted(model)).tuples()
            return [_Untold(*row) for row in rows]

    def _note(self, told: _Untold) -> None:
        """Record the version sent; an alias moved meanwhile still differs and is sent again."""
        mine = (AliasRow.model_id == told.model_id, AliasRow.alias == told.alias)
        with self.db.begin() as session:
            session.execute(_recorded(told.version_id).where(*mine))


def _recorded(version_id: str) -> Update:
    """Set `recorded_id` and keep `updated_at`, which says when the alias was moved."""
    return update(AliasRow).values(recorded_id=version_id, updated_at=AliasRow.updated_at)


def _wanted(model: str | None) -> Select[tuple[str, str, str, str, str | None]]:
    """Aliases not yet sent, except those of versions without an MLflow number."""
    columns = ModelRow.id, ModelRow.name, AliasRow.alias, VersionRow.id, VersionRow.mlflow_version
    differs = AliasRow.recorded_id.is_distinct_from(AliasRow.version_id)
    wanted = (
        select(*columns)
        .join(VersionRow, VersionRow.id == AliasRow.version_id)
        .join(ModelRow, ModelRow.id == AliasRow.model_id)
        .where(differs, VersionRow.mlflow_version.is_not(None))
    )
    return wanted if model is None else wanted.where(ModelRow.name == model)
