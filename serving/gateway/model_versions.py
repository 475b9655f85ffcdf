"""Which version a request means by the name it gives."""

from dataclasses import dataclass

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef, ModelVersion
from modelyard.registry.identity.caller import Caller
from modelyard.serving.cache import SingleFlightCache

REMEMBER_S = 1.0
"""Seconds until a promotion or a removal reaches this gateway."""

Question = tuple[str, Caller]
"""The name that a request gives, and whose request it is."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a name means: a version, and the file of the adapter in `base+adapter`, or none."""

    name: str
    version: ModelVersion
    adapter_sha256: str = ""


class VisibleVersions:
    """The catalog as one caller sees it, remembered for a moment."""

    def __init__(self, catalog: Catalog, *, remember_s: float = REMEMBER_S) -> None:
        self._catalog = catalog
        self._found = SingleFlightCache(self._look_up, seconds=remember_s)
        self.known = self._found.known
        """The same as `find` where it was found a moment ago, without waiting."""

    async def find(self, question: Question) -> ResolvedModel:
        """Raises InvalidName, or UnknownModel where the caller may see none of that name."""
        return await self._found.get(question)

    def _look_up(self, question: Question) -> ResolvedModel:
        name, caller = question
        ref = ModelRef.parse(name)
        version = self._catalog.find(ref, caller)
        adapter = version.adapter(ref.adapter) if ref.adapter else None
        return ResolvedModel(name, version, adapter.file.sha256 if adapter else "")
