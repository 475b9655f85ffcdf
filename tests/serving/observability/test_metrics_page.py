"""docs/metrics.md lists every series that Prometheus is given, by its name, kind and labels."""

import ast
import re
from collections.abc import Iterable
from dataclasses import fields

from prometheus_client.core import Metric

from modelyard.serving.engines.measures import Distribution
from modelyard.serving.engines.mock import MockEngine
from modelyard.serving.engines.process.metrics import EngineMetrics
from modelyard.serving.observability.prometheus import Metrics
from tests.architecture.tree import ROOT, name, parsed, sources

DOC = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(modelyard_\w+)(?:\{[\w,]+\})?` \| (\w+) \|", re.MULTILINE)
OF_WORKERS = {("modelyard_engine_up", "gauge"), ("modelyard_engine_restarts_total", "counter")}
"""Those that a worker adds to what its engines say."""

FAMILIES = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum", "Metric"}
MAKERS = ("serving/observability/", "serving/engines/process/", "serving/worker/scraping.py")


def collected(families: Iterable[Metric]) -> set[tuple[str, str]]:
    """Names as Prometheus knows them: those of counters end in _total."""
    return {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
        for family in families
    }


def engine() -> EngineMetrics:
    """An engine that has measured something of everything."""
    model = MockEngine()
    for each in fields(model.measures):
        value = getattr(model.measures, each.name)
        if isinstance(value, Distribution):
            value.add(1.0)
    return EngineMetrics(model, 1.0)


def makes_series(tree: ast.Module) -> bool:
    """Whether a module takes of the library what makes series, not only what renders them."""
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
    }
    return any(one in FAMILIES or one.endswith("MetricFamily") for one in taken)


def test_the_page_lists_every_series_and_no_other() -> None:
    """Whoever adds a series says there what it means; one that is gone is gone there too."""
    made = collected(Metrics().collect()) | collected(engine().collect()) | OF_WORKERS
    assert {(series, kind) for series, kind in ROW.findall(DOC.read_text())} == made


def test_series_are_made_in_known_places_only() -> None:
    """A series that is made elsewhere would escape the rule above."""
    places = [name(file) for file in sources() if makes_series(parsed(file))]
    assert [place for place in places if not place.startswith(MAKERS)] == []
    assert len(places) > 2
