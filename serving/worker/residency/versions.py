"""Resolves a version's id to a local file that is kept while an engine has it open."""

from collections.abc import Collection, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef, ModelVersion
from modelyard.registry.errors import FileMissing
from modelyard.registry.store import Store
from modelyard.serving.engines.folder import hold_model


class VersionSource(Protocol):
    """Where a worker finds the versions it loads."""

    def find(self, version_id: str) -> ModelVersion:
        """The version with this id; raises UnknownModel."""
        ...

    def named(self, ref: ModelRef) -> ModelVersion:
        """The version that `ref` names; raises UnknownModel."""
        ...

    def removed(self, version_ids: Collection[str]) -> set[str]:
        """Those of the ids whose versions were removed."""
        ...

    def hold(self, version: ModelVersion) -> AbstractContextManager[Path]:
        """The main file, kept on the volume inside the block; raises FileMissing."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredVersions:
    """The catalog's versions, with their files in the store."""

    catalog: Catalog
    store: Store

    def find(self, version_id: str) -> ModelVersion:
        return self.catalog.by_id(version_id)

    def named(self, ref: ModelRef) -> ModelVersion:
        return self.catalog.find(ref)

    def removed(self, version_ids: Collection[str]) -> set[str]:
        return self.catalog.removed(version_ids)

    @contextmanager
    def hold(self, version: ModelVersion) -> Generator[Path]:
        with ExitStack() as held:
            try:
                path = held.enter_context(
                    hold_model(self.store, version.facts.format, version.files)
                )
            except FileMissing as error:
                raise FileMissing(
                    f"The files of {version.ref} are not in the store at {self.store.root}. "
                    f"{error.message}",
                    fix=f"Run `modelyard models add {version.repo}` again, or let this machine "
                    "see the same store (MODELYARD_STORE_DIR).",
                ) from None
            yield path
