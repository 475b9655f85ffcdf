"""What was built and measured before is known by what went into it."""

import pytest

from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.database import Database


@pytest.fixture
def results(db: Database) -> BuildRecords:
    return BuildRecords(db)


def test_builds_and_evaluations_are_remembered(results: BuildRecords) -> None:
    """By what went in; a later record replaces an earlier one."""
    assert results.built("a" * 64, "quantize q4") is None
    assert results.evaluated("b" * 64, "a" * 64, "ppl") is None
    for size in (1, 2):
        results.record_build("a" * 64, "quantize q4", "b" * 64, size)
        results.record_evaluation("b" * 64, "a" * 64, "ppl", {"kl": size / 10})
    build = results.built("a" * 64, "quantize q4")
    assert build
    assert (build.sha256, build.size) == ("b" * 64, 2)
    assert results.evaluated("b" * 64, "a" * 64, "ppl") == {"kl": 0.2}
    assert results.built("a" * 64, "quantize q8") is None
