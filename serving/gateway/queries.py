"""Frequent read queries, answered from the shared cache, with the tables each depends on."""

from dataclasses import dataclass

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import Fleet, WorkerView
from modelyard.registry.identity.caller import Caller
from modelyard.serving.shared_cache import CachedQuery, SharedCache

CATALOG = ("models", "versions", "version_files", "aliases", "adapters", "preparations")
FLEET = ("workers",)

SHOWN_S = 86_400.0
"""A device whose worker has not reported for this many seconds (a day) is no longer shown."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Answers frequent queries from the shared cache until their tables change."""

    cache: SharedCache
    catalog: Catalog
    fleet: Fleet

    async def versions(self, caller: Caller) -> list[ModelVersion]:
        """Every version the caller may see, by name, the newest first."""
        who = "admin" if caller.is_admin else caller.user_id
        return await self.cache.ask(
            CachedQuery(
                f"versions:{who}", CATALOG, list[ModelVersion], lambda: self.catalog.list(caller)
            )
        )

    async def workers(self) -> list[WorkerView]:
        """Every worker that reported within a day, by device id."""
        return await self.cache.ask(
            CachedQuery("workers", FLEET, list[WorkerView], lambda: self.fleet.workers(SHOWN_S))
        )
