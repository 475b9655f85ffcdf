"""What many ask for again and again, and which tables each answer comes from."""

from dataclasses import dataclass

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import Fleet, WorkerView
from modelyard.registry.identity.caller import Caller
from modelyard.serving.shared_cache import CachedQuery, SharedCache

CATALOG = ("models", "versions", "version_files", "aliases", "adapters", "preparations")
FLEET = ("workers",)

SHOWN_S = 86_400.0
"""A device whose worker has been silent for a day is no longer shown."""


@dataclass(frozen=True, slots=True)
class Queries:
    """The frequent questions, answered from the shared cache while nothing has changed."""

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
        """Every worker that gave a sign of life within a day, by device id."""
        return await self.cache.ask(
            CachedQuery("workers", FLEET, list[WorkerView], lambda: self.fleet.workers(SHOWN_S))
        )
