"""Benchmarks are run by hand: what they import is there all the same."""

import importlib
import pkgutil

import pytest

import benchmarks

MODULES = sorted(m.name for m in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_benchmarks_can_be_imported(module: str) -> None:
    """Also those that only a child of a benchmark imports."""
    importlib.import_module(module)
