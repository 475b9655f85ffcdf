"""Resolves the model name in a request to a version."""

from dataclasses import dataclass

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef, ModelVersion
from modelyard.registry.identity.caller import Caller
from modelyard.serving.cache import LAST_S, SingleFlightCache

REMEMBER_S = 1.0
"""The longest delay in seconds until this gateway sees a promotion or a removal."""

Question = tuple[str, Caller]
"""The model name in a request, and its caller."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A resolved name: the version, and for `base+adapter` the SHA-256 of the adapter's file."""

    name: str
    version: ModelVersion
    adapter_sha256: str = ""


class VisibleVersions:
    """The catalog as each caller may see it, cached briefly."""

    def __init__(self, catalog: Catalog, *, remember_s: float = REMEMBER_S) -> None:
        self._catalog = catalog
        self._found = SingleFlightCache(self._look_up, seconds=remember_s, last_s=LAST_S)
        self.known = self._found.known
        """Returns a cached result of `find` without waiting, or None."""

    async def find(self, question: Question) -> ResolvedModel:
        """Resolve a name; raises InvalidName, or UnknownModel if the caller may see no match."""
        return await self._found.get(question)

    def _look_up(self, question: Question) -> ResolvedModel:
        name, caller = question
        ref = ModelRef.parse(name)
        version = self._catalog.find(ref, caller)
        adapter = version.adapter(ref.adapter) if ref.adapter else None
        return ResolvedModel(name, version, adapter.file.sha256 if adapter else "")
