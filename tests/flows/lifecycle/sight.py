"""What is to be seen of an installation in every place that keeps something of a run."""

from typing import Any

from mlflow.tracking import MlflowClient
from prefect.client.orchestration import get_client

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.prefect.flow_runs import PrefectRuns
from modelyard.flows.runs.record import records
from modelyard.registry.cards.index import open_index


def look() -> dict[str, Any]:
    """Ids of versions by place, files by kind, and the last run on board and Prefect."""
    with open_context() as context:
        versions = context.catalog.list()
        store = context.store
        return {
            "versions": {version.id: version.ref for version in versions},
            "pending": [version.id for version in context.catalog.pending()],
            "mlflow": _in_mlflow(context),
            "cards": sorted(open_index(context.registry).ids()),
            "pins": sorted(owner.removeprefix("version:") for owner in store.pin_owners()),
            "missing": [f.path for v in versions for f in v.files if not store.has(f.sha256)],
            "unpinned": [entry.path.name for entry in store.unpinned()],
            "parts": [file.name for file in (store.root / "incoming").iterdir()],
            "scratch": [file.name for file in (store.root / "scratch").iterdir()],
            "records": [record.run_id for record in records(context.registry.data_dir)],
            **_last_run(context),
        }


def _in_mlflow(context: FlowContext) -> list[str]:
    client = MlflowClient(context.registry.mlflow, registry_uri=context.registry.mlflow)
    return sorted(one.tags["modelyard.version_id"] for one in client.search_model_versions())


def _last_run(context: FlowContext) -> dict[str, str]:
    run = next(iter(context.board.list(limit=1)), None)
    if run is None:
        return {}
    with get_client(sync_client=True) as client:
        prefect = PrefectRuns(client).state(run.prefect_run_id or "")
    return {"board": run.state.value, "message": run.message, "prefect": prefect}
