"""MLflow is told where the catalog's aliases point: once they do, and until it has heard.

The catalog decides, and remembers for each alias what MLflow was told last. So a promotion never
waits for MLflow, and one that MLflow missed is told later.
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
    """The aliases of a database's catalog, as an MLflow registry has them."""

    db: Database
    mlflow: MlflowRegistry

    def tell(self, model: str | None = None) -> str:
        """Tell MLflow of what it has not heard, of one model or of all.

        Returns the last reason why it still has not, if so.
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
        """An alias that has moved on meanwhile differs from what was told, and is told again."""
        mine = (AliasRow.model_id == told.model_id, AliasRow.alias == told.alias)
        with self.db.begin() as session:
            session.execute(_recorded(told.version_id).where(*mine))


def _recorded(version_id: str) -> Update:
    """When an alias was moved is another matter, and stays."""
    return update(AliasRow).values(recorded_id=version_id, updated_at=AliasRow.updated_at)


def _wanted(model: str | None) -> Select[tuple[str, str, str, str, str | None]]:
    """What MLflow has never heard of it need not hear now: versions without a number there."""
    columns = ModelRow.id, ModelRow.name, AliasRow.alias, VersionRow.id, VersionRow.mlflow_version
    differs = AliasRow.recorded_id.is_distinct_from(AliasRow.version_id)
    wanted = (
        select(*columns)
        .join(VersionRow, VersionRow.id == AliasRow.version_id)
        .join(ModelRow, ModelRow.id == AliasRow.model_id)
        .where(differs, VersionRow.mlflow_version.is_not(None))
    )
    return wanted if model is None else wanted.where(ModelRow.name == model)
