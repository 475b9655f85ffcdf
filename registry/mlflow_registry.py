"""MLflow, the system of record: one version a build, with its lineage, parameters and metrics.

Files stay in the store: a version's source, `modelyard://<sha256>`, points at them.
"""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.catalog import identity_of
from registry.mlflow_turn import alone_at
from registry.names import CANDIDATE, CHAMPION, ModelVersion

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

EXPERIMENT = "modelyard"
_IDENTITY = "modelyard.identity"
_MODEL = "modelyard.model"
_LONGEST_PARAM, _LONGEST_TAG = 6000, 100_000


def mlflow_name(model: str) -> str:
    """A model's name there, where slashes are not allowed."""
    return model.replace("/", "--")


@dataclass(frozen=True, slots=True)
class MlflowRegistry:
    """The registry at an MLflow tracking URI: a server's, or a database's used as a library."""

    uri: str

    def register(
        self,
        version: ModelVersion,
        lineage: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> str:
        """Record a version with its aliases; the same build again returns the same number."""
        name, tags = mlflow_name(version.model), _tags(version, lineage)
        with self._client() as client:
            number = _numbered(client, name, tags[_IDENTITY])
            if number is None:
                run = _run(client, f"{name}-{version.number}", tags)
                _log(client, run, params, {**version.metrics, **metrics})
                number = _create(client, name, run, tags)
            for alias in version.aliases:
                _point(client, name, alias, number)
        return number

    def set_alias(self, model: str, alias: str, number: str) -> None:
        """Point an alias there too; a candidate that becomes champion is candidate no more."""
        with self._client() as client:
            _point(client, mlflow_name(model), alias, number)

    def delete(self, model: str, number: str | None = None) -> None:
        """Forget a version, or the whole model; what is gone already is no error."""
        name = mlflow_name(model)
        with self._client() as client, _absent_is_fine():
            if number is not None:
                client.delete_model_version(name, number)
            if number is None or not client.search_model_versions(f"name='{name}'"):
                client.delete_registered_model(name)

    @contextmanager
    def _client(self) -> "Generator[MlflowClient]":
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        with alone_at(self.uri):  # its first use makes the tables, which two must not do at once
            yield MlflowClient(self.uri, registry_uri=self.uri)


def _tags(version: ModelVersion, lineage: Mapping[str, str]) -> dict[str, str]:
    facts = version.facts
    ours = {
        "identity": identity_of(version.main.sha256, version.revision),
        "version_id": version.id,
        "model": version.model,
        "repo": version.repo,
        "revision": version.revision,
        "sha256": version.main.sha256,
        "files": json.dumps({file.path: file.sha256 for file in version.files}),
        "size": str(version.size),
        "format": facts.format.value,
        "kind": facts.kind.value,
        "architecture": facts.architecture,
        "quantization": facts.quantization or "",
        "licence": facts.licence or "",
        **{f"lineage.{key}": value for key, value in lineage.items()},
    }
    return {f"modelyard.{key}": value[:_LONGEST_TAG] for key, value in ours.items()}


def _numbered(client: "MlflowClient", name: str, identity: str) -> str | None:
    same = client.search_model_versions(f"name='{name}' and tags.`{_IDENTITY}`='{identity}'")
    return str(same[0].version) if same else None


def _run(client: "MlflowClient", name: str, tags: Mapping[str, str]) -> "Run":
    """The MLflow run that holds parameters and metrics; one a build, also after a crash."""
    experiment = _experiment(client)
    mine = {key: tags[key] for key in (_IDENTITY, _MODEL)}
    same = " and ".join(f"tags.`{key}`='{value}'" for key, value in mine.items())
    found = client.search_runs([experiment], same, max_results=1)
    return found[0] if found else client.create_run(experiment, tags=mine, run_name=name)


def _experiment(client: "MlflowClient") -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    return found.experiment_id if found else client.create_experiment(EXPERIMENT)


def _log(
    client: "MlflowClient", run: "Run", params: Mapping[str, object], metrics: Mapping[str, float]
) -> None:
    for key, value in params.items():
        if key not in run.data.params:  # what a cut-off try wrote stays: parameters never change
            client.log_param(run.info.run_id, key, str(value)[:_LONGEST_PARAM])
    for key, value in metrics.items():
        client.log_metric(run.info.run_id, key, value)
    client.set_terminated(run.info.run_id)


def _create(client: "MlflowClient", name: str, run: "Run", tags: Mapping[str, str]) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={_MODEL: tags[_MODEL]})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"modelyard://{tags['modelyard.sha256']}"
    held = client.create_model_version(name, source, run.info.run_id, tags=dict(tags))
    return str(held.version)


def _point(client: "MlflowClient", name: str, alias: str, number: str) -> None:
    client.set_registered_model_alias(name, alias, number)
    if alias == CHAMPION:
        pointed = client.get_registered_model(name).aliases
        if str(pointed.get(CANDIDATE)) == number:
            client.delete_registered_model_alias(name, CANDIDATE)


@contextmanager
def _absent_is_fine() -> Generator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
