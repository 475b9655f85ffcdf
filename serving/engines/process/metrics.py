"""An engine's metrics in Prometheus text format; the worker adds the model and device labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from modelyard.serving.engines.engine import LoadedModel

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "modelyard_engine_"
_ABOUT = {
    "queue_seconds": "From a request's arrival to its place in the batch.",
    "first_token_seconds": "From a request's arrival to its first token.",
    "inter_token_seconds": "From one token of an answer to its next.",
    "step_seconds": "One decode of a batch.",
    "step_tokens": "Tokens in a batch.",
    "step_sequences": "Requests or texts that share a batch.",
    "request_seconds": "From a request's arrival to its whole answer.",
}


@dataclass(frozen=True, slots=True, eq=False)
class EngineMetrics(Collector):
    """Reads the engine's counters at scrape time, without counters of its own."""

    model: LoadedModel
    load_s: float

    def text(self) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        seen = self.model.snapshot()
        measures = self.model.measures
        yield _gauge("load_seconds", "What loading took.", self.load_s)
        yield _gauge("memory_bytes", "The process' memory.", psutil.Process().memory_info().rss)
        yield _gauge("slots", "Requests that can run at once.", seen.slots)
        yield _gauge("active", "Requests or texts being worked on.", seen.active)
        yield _gauge("queued", "Requests or texts that wait.", seen.queued)
        yield _gauge("kv_cells", "Tokens that the KV memory holds.", seen.cells)
        yield _gauge("kv_cells_used", "Cells of the KV memory that are filled.", seen.cells_used)
        tokens = {
            "prompt": seen.prompt_tokens,
            "cached": seen.cached_tokens,
            "generated": seen.generated_tokens,
        }
        yield _by("tokens", "Tokens read, taken from memory, written.", "kind", tokens)
        yield _counter("preemptions", "Requests that lost their place for a while.", seen.preempted)
        yield _counter("prefix_hits", "Requests that began in memory.", measures.prefix_hits)
        yield _by("answers", "Answers by why they ended.", "reason", measures.ended)
        yield _by("errors", "What clients were told, by its stable code.", "code", measures.errors)
        for name, found in measures.distributions():
            family = HistogramMetricFamily(PREFIX + name, _ABOUT[name])
            family.add_metric([], list(found.cumulated()), found.total)
            yield family


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, about, value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, about, value)


def _by(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, about, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
