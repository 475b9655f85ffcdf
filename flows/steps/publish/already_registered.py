"""Checks from hashes alone whether the requested versions are already registered."""

from dataclasses import dataclass

from modelyard.flows.steps.build.join import JOINED
from modelyard.flows.steps.build.quantize import MERGED, key_of_hashes, recipe
from modelyard.flows.steps.choose.candidate import FileSelection
from modelyard.flows.steps.hub.download import stored_sha
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.catalog import Catalog, identity_of
from modelyard.registry.catalog.model import Format, ModelVersion
from modelyard.registry.store import Store


@dataclass(frozen=True, slots=True)
class AlreadyRegistered:
    """Reads catalog, build records and store; writes nothing and fetches nothing."""

    catalog: Catalog
    results: BuildRecords
    store: Store

    def versions(
        self, model: str, snapshot: HubSnapshot, choice: FileSelection, quantize: tuple[str, ...]
    ) -> list[ModelVersion] | None:
        """The finished versions of this commit, one per type; None if any work is left."""
        original = self._original(choice)
        if original is None:
            return None
        mains = [self._built(original, to) for to in quantize] or [original]
        found = [self._finished(model, main, snapshot.commit) for main in mains]
        versions = [version for version in found if version]
        return versions if len(versions) == len(mains) else None

    def _original(self, choice: FileSelection) -> str | None:
        """The sha256 of the chosen model as one file, if it was fetched and merged before."""
        hashes = [stored_sha(part, self.results) for part in choice.model.parts]
        parts = [sha256 for sha256 in hashes if sha256]
        if len(parts) < len(hashes):
            return None
        if len(parts) == 1 or choice.model.format is Format.ONNX:
            return parts[0]
        how = JOINED if choice.model.is_cut else recipe(MERGED)
        merged = self.results.built(key_of_hashes(parts), how)
        return merged.sha256 if merged else None

    def _built(self, original: str, to: str) -> str | None:
        build = self.results.built(original, recipe(to))
        return build.sha256 if build else None

    def _finished(self, model: str, main: str | None, commit: str) -> ModelVersion | None:
        """The version with this main file, if all its files are in the store."""
        if main is None:
            return None
        version = self.catalog.by_identity(model, identity_of(main, commit))
        if version is None:
            return None
        return version if all(self.store.has(file.sha256) for file in version.files) else None
