"""One Prometheus page with the metrics of all engines of a worker."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from modelyard.serving.worker.residency.residency import Residency
from modelyard.serving.worker.residency.resident import Resident

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True, eq=False)
class Page(Collector):
    """Metrics of several engines; `model` is the catalog's name, never client input."""

    device: str
    _families: dict[str, Metric] = field(default_factory=dict[str, Metric])

    def add(self, resident: Resident, text: str) -> None:
        """Add an engine's metrics and whether it answers."""
        own = {"device": self.device, "model": resident.name}
        for family in text_string_to_metric_families(text):
            known = self._family(family.name, family.documentation, family.type)
            for sample in family.samples:
                known.samples.append(sample._replace(labels={**own, **sample.labels}))
        up = self._family("modelyard_engine_up", "Whether the engine answers.", "gauge")
        up.add_sample("modelyard_engine_up", own, float(bool(text)))
        restarts = self._family("modelyard_engine_restarts", "Ends by itself.", "counter")
        restarts.add_sample("modelyard_engine_restarts_total", own, resident.restarts)

    def collect(self) -> Iterable[Metric]:
        return self._families.values()

    def text(self) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def _family(self, name: str, about: str, kind: str) -> Metric:
        return self._families.setdefault(name, Metric(name, about, kind))


async def scrape(residency: Residency) -> bytes:
    """Scrape all engines concurrently; an engine that is loading or silent is shown as down."""
    residents = residency.residents
    texts = await asyncio.gather(*(_text(residency, resident) for resident in residents))
    page = Page(residency.telemetry.device.device_id)
    for resident, text in zip(residents, texts, strict=True):
        page.add(resident, text)
    return page.text()


async def _text(residency: Residency, resident: Resident) -> str:
    process = resident.process
    return await residency.reader.metrics(process.ready.url) if process else ""
