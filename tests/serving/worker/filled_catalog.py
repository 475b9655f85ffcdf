"""Versions of the mock format, registered for real."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import (
    Format,
    ModelFacts,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.store import Store
from modelyard.serving.worker.residency.versions import RegisteredVersions


@dataclass(frozen=True, slots=True)
class FilledCatalog:
    """A catalog and a store that tests fill."""

    catalog: Catalog
    store: Store
    made: list[ModelVersion] = field(default_factory=list[ModelVersion])

    def add(self, name: str, build: str = "", **engine_options: Any) -> ModelVersion:
        """Register a version; the options are the mock engine's (`delay_s`, `load_s`).

        Another `build` of a name is its next version.
        """
        stored = self.store.put([name.encode(), build.encode()])
        facts = ModelFacts(
            Format.MOCK, "mock", context_length=256, details={"engine_options": engine_options}
        )
        files = [StoredFile("model.mock", stored.sha256, stored.size)]
        version = self.catalog.register(
            name=name, repo=name, revision="0" * 40, facts=facts, files=files, metrics={}
        )
        self.made.append(version)
        return version

    def add_gguf(
        self, name: str, path: Path, quantization: str | None = None, owner_id: str | None = None
    ) -> ModelVersion:
        """Register a GGUF file; with an owner it is private."""
        stored = self.store.put(path)
        version = self.catalog.register(
            name=name,
            repo=name,
            revision="0" * 40,
            facts=ModelFacts(Format.GGUF, "llama", quantization, context_length=1024),
            files=[StoredFile(path.name, stored.sha256, stored.size)],
            metrics={},
            visibility=Visibility.PRIVATE if owner_id else Visibility.PUBLIC,
            owner_id=owner_id,
        )
        self.made.append(version)
        return version

    @property
    def versions(self) -> RegisteredVersions:
        return RegisteredVersions(self.catalog, self.store)

    def add_onnx(self, name: str, folder: Path) -> ModelVersion:
        """Register a folder's files, model.onnx first, under the names they have there."""
        files = sorted(folder.rglob("*.*"), key=lambda file: (file.name != "model.onnx", file.name))
        stored = [(str(f.relative_to(folder)), self.store.put(f)) for f in files if f.is_file()]
        version = self.catalog.register(
            name=name,
            repo=name,
            revision="0" * 40,
            facts=ModelFacts(Format.ONNX, "bert", context_length=64),
            files=[StoredFile(path, s.sha256, s.size) for path, s in stored],
            metrics={},
        )
        self.made.append(version)
        return version
