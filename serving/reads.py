"""What many ask for again and again, and which tables each answer comes from."""

from dataclasses import dataclass

from registry.catalog import Catalog
from registry.fleet import Fleet, WorkerView
from registry.names import Caller, ModelVersion
from serving.shared_cache import Question, SharedCache

CATALOG = ("models", "versions", "version_files", "aliases", "adapters")
FLEET = ("workers",)

SHOWN_S = 86_400.0
"""A device whose worker has been silent for a day is no longer shown."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The frequent questions, answered from the shared cache while nothing has changed."""

    cache: SharedCache
    catalog: Catalog
    fleet: Fleet

    async def versions(self, caller: Caller) -> list[ModelVersion]:
        """Every version the caller may see, by name, the newest first."""
        who = "admin" if caller.is_admin else caller.user_id
        return await self.cache.ask(
            Question(
                f"versions:{who}", CATALOG, list[ModelVersion], lambda: self.catalog.list(caller)
            )
        )

    async def workers(self) -> list[WorkerView]:
        """Every worker that gave a sign of life within a day, by device id."""
        return await self.cache.ask(
            Question("workers", FLEET, list[WorkerView], lambda: self.fleet.workers(SHOWN_S))
        )
