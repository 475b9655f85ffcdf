"""Sizes read the way disks are sold: in thousands."""

import pytest

from modelyard.registry.sizes import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 KB"), (4.7e9, "4.7 GB"), (2e15, "2000.0 TB")],
)
def test_sizes_are_short(size: float, text: str) -> None:
    """One decimal, and a unit a person would choose."""
    assert size_text(size) == text
