"""Forgetting versions and adapters, everywhere they are known; what was cut off can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.model import Adapter, ModelRef, ModelVersion
from modelyard.registry.installation import open_store
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
        from modelyard.registry.cards.index import open_index
        from modelyard.registry.mlflow.mirror import MlflowRegistry

        store = open_store(self.registry.settings)
        released: list[str] = []
        if self.versions:
            cards = open_index(self.registry.settings)
            mlflow = MlflowRegistry(self.registry.settings.mlflow)
            for version in (*self.versions, *self.begun):
                if version.mlflow_version is not None or version in self.begun:
                    mlflow.forget(version)
                cards.remove(version.id)
                released += store.unpin(f"version:{version.id}")
        for adapter in self.adapters:
            released += store.unpin(f"adapter:{adapter.id}")
            AdapterCatalog(self.registry.database).remove(adapter)
        if self.versions:
            self.registry.catalog.remove(self.ref)
        for sha256 in released:  # files that another version shares stay
            store.remove(sha256)


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
