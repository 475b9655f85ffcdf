"""Corrects a memory estimate by what similar models actually used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from modelyard.registry.fleet.memory_observations import Likeness, Observation
from modelyard.serving.engines.footprint import Footprint

_SCALED = ("weights", "kv_cache", "compute")
_FACTORS = 0.25, 4.0
"""Bounds of a part's scale factor, so that one bad measurement cannot refuse every model."""


def corrected(estimate: Footprint, asked: Likeness, known: Sequence[Observation]) -> Footprint:
    """The estimate with each part's typical error removed, as seen on the most similar loads.

    An identical load uses its measurement as it is. The model's parts are off by a factor, which
    carries over to other contexts; the process overhead is off by a number of bytes.
    """
    same = next((o for o in known if o.likeness == asked), None)
    if same is not None:
        return Footprint(**same.measured)
    like = _likest(asked, known)
    if not like:
        return estimate
    scaled = {part: _scaled(part, estimate, like) for part in _SCALED}
    missed = median(o.measured["process"] - o.estimated["process"] for o in like)
    return replace(estimate, **scaled, process=max(0, estimate.process + round(missed)))


def _likest(asked: Likeness, known: Iterable[Observation]) -> list[Observation]:
    """Loads of the same file; else of the architecture and quantization; else of the format."""
    groups: tuple[list[Observation], ...] = ([], [], [])
    for seen in known:
        if seen.likeness.format == asked.format:
            groups[_distance(asked, seen.likeness)].append(seen)
    return next((group for group in groups if group), [])


def _distance(asked: Likeness, seen: Likeness) -> int:
    if seen.architecture != asked.architecture or seen.quantization != asked.quantization:
        return 2
    return 0 if seen.size == asked.size else 1


def _scaled(part: str, estimate: Footprint, like: Sequence[Observation]) -> int:
    return round(getattr(estimate, part) * _factor(part, like))


def _factor(part: str, like: Sequence[Observation]) -> float:
    ratios = [_ratio(o.measured, o.estimated, part) for o in like if o.estimated[part]]
    return min(max(median(ratios), _FACTORS[0]), _FACTORS[1]) if ratios else 1.0


def _ratio(measured: Mapping[str, int], estimated: Mapping[str, int], part: str) -> float:
    return measured[part] / estimated[part]
