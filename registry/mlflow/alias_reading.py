"""Reads what the catalog has of aliases, in MLflow's numbers of versions."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import aliased

from modelyard.registry.catalog.tables import AliasRow, ModelRow, VersionRow
from modelyard.registry.database import Database


@dataclass(frozen=True, slots=True)
class AliasHere:
    """An alias of the catalog: where it points, and where MLflow was told that it points.

    Both as MLflow's version numbers; `told` is None if MLflow was never told, or if that version is
    gone.
    """

    model_id: str
    model: str
    alias: str
    version_id: str
    number: str
    told: str | None


def aliases_here(db: Database, model: str | None = None) -> list[AliasHere]:
    """The aliases of versions that MLflow has, of one model or of all."""
    told = aliased(VersionRow)
    columns = ModelRow.id, ModelRow.name, AliasRow.alias, VersionRow.id
    wanted = (
        select(*columns, VersionRow.mlflow_version, told.mlflow_version)
        .join(VersionRow, VersionRow.id == AliasRow.version_id)
        .join(ModelRow, ModelRow.id == AliasRow.model_id)
        .outerjoin(told, told.id == AliasRow.recorded_id)
        .where(VersionRow.mlflow_version.is_not(None))
        .order_by(ModelRow.name, AliasRow.alias)
    )
    if model is not None:
        wanted = wanted.where(ModelRow.name == model)
    with db.read() as session:
        rows = session.execute(wanted).tuples().all()
    return [
        AliasHere(model_id, name, alias, version_id, str(number), was)
        for model_id, name, alias, version_id, number, was in rows
    ]


def numbers_here(db: Database, model: str | None = None) -> dict[str, dict[str, int]]:
    """For each model, its finished versions: MLflow's number to the catalog's."""
    wanted = (
        select(ModelRow.name, VersionRow.mlflow_version, VersionRow.number)
        .join(ModelRow, ModelRow.id == VersionRow.model_id)
        .where(VersionRow.mlflow_version.is_not(None), VersionRow.finished_at.is_not(None))
    )
    if model is not None:
        wanted = wanted.where(ModelRow.name == model)
    found: dict[str, dict[str, int]] = {}
    with db.read() as session:
        for name, theirs, ours in session.execute(wanted).tuples():
            found.setdefault(name, {})[str(theirs)] = ours
    return found
