"""Records versions in MLflow, one per build, with lineage, parameters and metrics.

Files stay in the store: a version's source, `modelyard:///<sha256>`, points at them. (An MLflow
server rejects a source without a path. Older versions have two slashes; nothing reads them.)
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.registry.catalog.catalog import identity_of
from modelyard.registry.catalog.model import CANDIDATE, CHAMPION, ModelVersion
from modelyard.registry.mlflow.alias_there import aliases_in, is_database
from modelyard.registry.mlflow.client import mlflow_client

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

EXPERIMENT = "modelyard"
_IDENTITY = "modelyard.identity"
_MODEL = "modelyard.model"
_VERSION_ID = "modelyard.version_id"
_PAGE = 1000
_LONGEST_PARAM = 6000
_LONGEST_TAG = 100_000


def mlflow_name(model: str) -> str:
    """The model's name in MLflow, where slashes are not allowed."""
    return model.replace("/", "--")


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """A version as MLflow has it: the model's name there, its number, and the catalog's id."""

    name: str
    number: str
    version_id: str


@dataclass(frozen=True, slots=True)
class MlflowRegistry:
    """The registry at an MLflow tracking URI: a server, or a database used through the library."""

    uri: str

    def register(
        self,
        version: ModelVersion,
        lineage: Mapping[str, str],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
    ) -> str:
        """Record a version without aliases; recording the same build again returns the same number.

        The version itself is created last, with all its tags, in one request.
        """
        name = mlflow_name(version.model)
        tags = _tags(version, lineage)
        with mlflow_client(self.uri) as client:
            number = next(iter(_numbers(client, name, version)), None)
            if number is None:
                run = _run(client, f"{name}-{version.number}", tags)
                _log(client, run, params, {**version.metrics, **metrics})
                number = _create(client, name, run, tags)
        return number

    def set_alias(self, model: str, alias: str, number: str) -> None:
        """Point an alias in MLflow; a candidate that becomes champion stops being candidate."""
        with mlflow_client(self.uri) as client:
            _point(client, mlflow_name(model), alias, number)

    def aliases(self) -> dict[str, dict[str, str]]:
        """The aliases of every model there, by its MLflow name: alias to version number."""
        if is_database(self.uri):
            return aliases_in(self.uri)
        with mlflow_client(self.uri) as client:
            models = _all_pages(client.search_registered_models)
            return {
                held.name: {alias: str(number) for alias, number in held.aliases.items()}
                for held in models
            }

    def recorded(self) -> list[RecordedVersion]:
        """Every version there that a Modelyard has registered."""
        with mlflow_client(self.uri) as client:
            held = _all_pages(client.search_model_versions)
            return [
                RecordedVersion(one.name, str(one.version), one.tags[_VERSION_ID])
                for one in held
                if _VERSION_ID in one.tags
            ]

    def delete(self, held: RecordedVersion) -> None:
        """Delete one version, and its model with the last one; missing ones are no error."""
        with mlflow_client(self.uri) as client, _absent_is_fine():
            client.delete_model_version(held.name, held.number)
            if not client.search_model_versions(f"name='{held.name}'"):
                client.delete_registered_model(held.name)

    def forget(self, version: ModelVersion) -> None:
        """Delete a build's version, and the model with its last one; missing ones are no error."""
        name = mlflow_name(version.model)
        with mlflow_client(self.uri) as client, _absent_is_fine():
            for number in _numbers(client, name, version):
                client.delete_model_version(name, number)
            if not client.search_model_versions(f"name='{name}'"):
                client.delete_registered_model(name)


def _tags(version: ModelVersion, lineage: Mapping[str, str]) -> dict[str, str]:
    facts = version.facts
    ours = {
        "identity": _identity(version),
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


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    """Everything that one of MLflow's searches finds, page after page."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = search(max_results=_PAGE, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _identity(version: ModelVersion) -> str:
    return identity_of(version.main.sha256, version.revision)


def _numbers(client: "MlflowClient", name: str, version: ModelVersion) -> list[str]:
    """The build's version numbers, lowest first; several only if a lost answer caused a retry."""
    same = f"name='{name}' and tags.`{_IDENTITY}`='{_identity(version)}'"
    return sorted((str(held.version) for held in client.search_model_versions(same)), key=int)


def _run(client: "MlflowClient", name: str, tags: Mapping[str, str]) -> "Run":
    """The MLflow run with parameters and metrics; one per build, reused after a crash."""
    experiment = _experiment(client)
    mine = {key: tags[key] for key in (_IDENTITY, _MODEL)}
    same = " and ".join(f"tags.`{key}`='{value}'" for key, value in mine.items())
    found = client.search_runs([experiment], same, max_results=1)
    return found[0] if found else client.create_run(experiment, tags=mine, run_name=name)


def _experiment(client: "MlflowClient") -> str:
    if found := client.get_experiment_by_name(EXPERIMENT):
        return found.experiment_id
    with _present_is_fine():
        return client.create_experiment(EXPERIMENT)
    return _experiment(client)  # another process created it first


def _log(
    client: "MlflowClient", run: "Run", params: Mapping[str, object], metrics: Mapping[str, float]
) -> None:
    from mlflow.exceptions import MlflowException

    try:
        _log_missing(client, run, params, metrics)
    except MlflowException:  # another process may have logged the same at the same time
        _log_missing(client, client.get_run(run.info.run_id), params, metrics)
    client.set_terminated(run.info.run_id)


def _log_missing(
    client: "MlflowClient", run: "Run", params: Mapping[str, object], metrics: Mapping[str, float]
) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    measured = [Metric(key, value, now, 0) for key, value in metrics.items()]
    # Keep what an interrupted attempt wrote: MLflow parameters cannot change.
    new = {key: str(value) for key, value in params.items() if key not in run.data.params}
    fitting = [Param(key, value[:_LONGEST_PARAM]) for key, value in new.items()]
    client.log_batch(run.info.run_id, measured, fitting)


def _create(client: "MlflowClient", name: str, run: "Run", tags: Mapping[str, str]) -> str:
    with _present_is_fine():
        client.create_registered_model(name, tags={_MODEL: tags[_MODEL]})
    source = f"modelyard:///{tags['modelyard.sha256']}"
    held = client.create_model_version(name, source, run.info.run_id, tags=dict(tags))
    return str(held.version)


def _point(client: "MlflowClient", name: str, alias: str, number: str) -> None:
    client.set_registered_model_alias(name, alias, number)
    if alias == CHAMPION:
        pointed = client.get_registered_model(name).aliases
        if str(pointed.get(CANDIDATE)) == number:
            client.delete_registered_model_alias(name, CANDIDATE)


def _absent_is_fine() -> AbstractContextManager[None]:
    return _passing_over("RESOURCE_DOES_NOT_EXIST")


def _present_is_fine() -> AbstractContextManager[None]:
    return _passing_over("RESOURCE_ALREADY_EXISTS")


@contextmanager
def _passing_over(code: str) -> Generator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise
