"""Estimates of memory are put right by loads of like models, part by part."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from modelyard.registry.fleet.memory_observations import Likeness, Observation
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.worker.residency.correction import corrected
from modelyard.serving.worker.residency.forecast import attributed

MIB = 1 << 20
ASKED = Likeness("cpu", "gguf", "llama", "Q4_K_M", 100 * MIB, 4096, 4, 512)
ESTIMATE = Footprint(100 * MIB, 400 * MIB, 30 * MIB, 70 * MIB)
sizes = st.integers(1, 1 << 36)
footprints = st.builds(Footprint, sizes, sizes, sizes, sizes)


def seen(estimated: Footprint, measured: Footprint, **unlike: object) -> Observation:
    likeness = replace(ASKED, **unlike)  # type: ignore[arg-type]
    return Observation(likeness, estimated.as_json(), measured.as_json())


def test_without_any_load_the_estimate_stands() -> None:
    """Nothing is made up."""
    assert corrected(ESTIMATE, ASKED, []) == ESTIMATE


@given(estimated=footprints, measured=footprints)
def test_the_same_load_again_is_believed_as_measured(
    estimated: Footprint, measured: Footprint
) -> None:
    """Whatever the formula says: it was seen."""
    assert corrected(ESTIMATE, ASKED, [seen(estimated, measured)]) == measured


def test_another_context_profits_part_by_part() -> None:
    """The cache's factor scales with the context; the process's bytes are added once."""
    short = Footprint(100 * MIB, 100 * MIB, 15 * MIB, 70 * MIB)
    took = Footprint(100 * MIB, 110 * MIB, 30 * MIB, 90 * MIB)
    found = corrected(ESTIMATE, ASKED, [seen(short, took, context_length=1024)])
    assert found == Footprint(100 * MIB, 440 * MIB, 60 * MIB, 90 * MIB)


def test_the_likest_loads_decide() -> None:
    """The same file's beat those of other files, its architecture's those of others."""
    short = Footprint(MIB, MIB, MIB, MIB)

    def took(process: int, **unlike: object) -> Observation:
        return seen(short, replace(short, process=process * MIB), context_length=1, **unlike)

    other = took(9, architecture="qwen2")
    same_kind = took(5, size=7)
    same_file = took(2)
    assert corrected(ESTIMATE, ASKED, [other]).process == 78 * MIB
    assert corrected(ESTIMATE, ASKED, [other, same_kind]).process == 74 * MIB
    assert corrected(ESTIMATE, ASKED, [other, same_kind, same_file]).process == 71 * MIB
    assert corrected(ESTIMATE, ASKED, [took(9, format="onnx")]) == ESTIMATE


@given(estimate=footprints, estimated=footprints, measured=footprints)
def test_one_odd_measurement_does_not_refuse_every_model(
    estimate: Footprint, estimated: Footprint, measured: Footprint
) -> None:
    """A part of the model is never scaled by more than four, nor anything below nothing."""
    found = corrected(estimate, ASKED, [seen(estimated, measured, context_length=1)])
    assert found.process >= 0
    for part in ("weights", "kv_cache", "compute"):
        assert getattr(found, part) <= 4 * getattr(estimate, part)


def test_what_an_estimate_missed_goes_where_it_can_be() -> None:
    """To the process; what it cannot have held less of, to the buffers."""
    one_number = Footprint(process=50 * MIB)
    more = attributed(ESTIMATE, one_number, 650 * MIB)
    assert more == Footprint(100 * MIB, 400 * MIB, 30 * MIB, 120 * MIB)
    less = attributed(ESTIMATE, one_number, 520 * MIB)
    assert less == Footprint(100 * MIB, 400 * MIB, 20 * MIB, 0)
    told = Footprint(90 * MIB, 410 * MIB, 20 * MIB, 60 * MIB)
    assert attributed(ESTIMATE, told, 600 * MIB) == replace(told, process=80 * MIB)
