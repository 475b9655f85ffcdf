"""Files of versions for MLflow's clients: the artifact repository of `modelyard:///<sha256>`.

MLflow finds it by its entry point wherever Modelyard is installed, and reads the store and catalog
that Modelyard's settings name. So `mlflow.artifacts.download_artifacts("models:/name@champion")`
copies a version's files, and `mlflow.pyfunc.load_model` gets a model that asks the gateway.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Kind, ModelVersion, StoredFile
from modelyard.registry.errors import FileMissing
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.settings import RegistrySettings, load

MLMODEL = "MLmodel"
LOADER = "modelyard.serving.cli.catalog.pyfunc"
"""The module whose `_load_pyfunc` MLflow calls; it is named here and imported by MLflow alone."""

MOST_TOKENS = 1024
"""The tokens of an answer for whom `predict` names no other number."""

ABOUT = "modelyard.json"
"""Names the version for the loader."""


class StoreArtifacts(ArtifactRepository):
    """The files of one version, read-only, and the two that tell MLflow how to load it."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._settings = load(RegistrySettings)
        version = self._version(artifact_uri.rsplit("/", 1)[-1])
        self._files: dict[str, StoredFile] = {file.path: file for file in version.files}
        self._made = {MLMODEL: _mlmodel(version), ABOUT: _about(version)}

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """The entries of a folder, or of the root; nothing for a file."""
        prefix = f"{path.rstrip('/')}/" if path else ""
        sizes = {name: len(text) for name, text in self._made.items()}
        sizes |= {name: file.size for name, file in self._files.items()}
        inside = {n[len(prefix) :]: size for n, size in sizes.items() if n.startswith(prefix)}
        folders = {name.partition("/")[0] for name in inside if "/" in name}
        files = [FileInfo(prefix + n, False, s) for n, s in inside.items() if "/" not in n]  # noqa: FBT003 - MLflow's signature
        return [*files, *(FileInfo(prefix + name, True, None) for name in sorted(folders))]  # noqa: FBT003 - same

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        target = Path(local_path)
        if remote_file_path in self._made:
            target.write_text(self._made[remote_file_path])
            return
        file = self._files.get(remote_file_path)
        if file is None:
            raise _absent(f"The version has no file {remote_file_path}.")
        try:
            with open_store(self._settings).use(file.sha256) as source:
                shutil.copyfile(source, target)
        except FileMissing as error:
            raise _absent(str(error)) from error

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        raise _read_only()

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        raise _read_only()

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        raise _read_only()

    def _version(self, sha256: str) -> ModelVersion:
        db = open_database(self._settings)
        try:
            found = Catalog(db).by_main_file(sha256)
        finally:
            db.close()
        if found is None:
            raise _absent(f"The catalog here has no version of the file {sha256[:12]}….")
        return found


def _mlmodel(version: ModelVersion) -> str:
    """The description that MLflow reads first, as JSON, which is YAML too."""
    made = f"{version.created_at:%Y-%m-%d %H:%M:%S.%f}"
    document: dict[str, Any] = {
        "flavors": {"python_function": {"loader_module": LOADER, "data": "."}},
        "model_uuid": version.id,
        "utc_time_created": made,
    }
    if version.facts.kind is Kind.GENERATE:
        document["signature"] = _signature()
    return json.dumps(document)


def _signature() -> dict[str, Any]:
    """The parameters of `predict`: MLflow drops those that no signature names."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec

    longest = ParamSpec("max_tokens", "long", MOST_TOKENS)
    temperature = ParamSpec("temperature", "double", 1.0)
    return ModelSignature(params=ParamSchema([longest, temperature])).to_dict()


def _about(version: ModelVersion) -> str:
    return json.dumps({"ref": version.ref, "kind": version.facts.kind.value})


def _absent(message: str) -> MlflowException:
    return MlflowException(message, error_code=RESOURCE_DOES_NOT_EXIST)


def _read_only() -> MlflowException:
    return MlflowException(
        "The files of a version are in Modelyard's store and do not change: "
        "`modelyard models add` registers another version.",
        error_code=INVALID_STATE,
    )
