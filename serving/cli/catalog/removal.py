"""Forgetting versions and adapters, everywhere they are known; what was cut off can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.model import Adapter, ModelRef, ModelVersion
from modelyard.registry.installation import open_store
from modelyard.registry.store import Store
from modelyard.serving.cli.context import InstallationContext


@dataclass(frozen=True, slots=True)
class Removal:
    """What a name means, and the devices that have one of the versions loaded.

    The adapters of a model go with its last version, and so does what was `begun` for it and never
    finished.
    """

    registry: InstallationContext
    ref: ModelRef
    versions: Sequence[ModelVersion]
    adapters: Sequence[Adapter]
    loaded: list[str]
    begun: Sequence[ModelVersion] = ()

    @property
    def names(self) -> str:
        return ", ".join(
            [v.ref for v in self.versions] + [f"{self.ref.name}+{a.name}" for a in self.adapters]
        )

    def carry_out(self) -> None:
        """From the outside in: the catalog, by which a repeated removal finds them, comes last."""
        store = open_store(self.registry.settings)
        released: list[str] = []
        known = (*self.versions, *self.begun)
        for version in known:
            released += self._forget(store, version)
        for adapter in self.adapters:
            released += store.unpin(f"adapter:{adapter.id}")
            AdapterCatalog(self.registry.database).remove(adapter)
        if self.versions:
            ids = {version.id for version in known}
            for version in self.registry.catalog.remove(self.ref):
                if version.id not in ids:  # registered while the others were removed
                    released += self._forget(store, version)
        for sha256 in released:  # files that another version shares stay
            store.remove(sha256)

    def _forget(self, store: Store, version: ModelVersion) -> list[str]:
        """Remove a version from MLflow, index and pins; returns the files it had pinned."""
        from modelyard.registry.cards.index import open_index
        from modelyard.registry.mlflow.mirror import MlflowRegistry

        untold = {known.id for known in self.versions if known.mlflow_version is None}
        if version.id not in untold:
            MlflowRegistry(self.registry.settings.mlflow).forget(version)
        open_index(self.registry.settings).remove(version.id)
        return store.unpin(f"version:{version.id}")


def removal_of(registry: InstallationContext, model: str) -> Removal:
    """Raises UnknownModel where there is none of that name."""
    ref = ModelRef.parse(model)
    found = registry.catalog.find(ref)
    if (adapter := found.adapter(ref.adapter)) is not None:
        return Removal(registry, ref, [], [adapter], loaded=[])
    every = [v for v in registry.catalog.list() if v.model == ref.name]
    named = ref.alias is not None or ref.number is not None
    versions = [found] if named else every
    begun = [] if named else registry.catalog.pending(ref.name)
    adapters = found.adapters if len(versions) == len(every) else ()
    ids = {version.id for version in versions}
    loaded = {e.device_id for e in registry.fleet.engines() if e.version_id in ids}
    return Removal(registry, ref, versions, adapters, sorted(loaded), begun)
