"""Sizes are told in one unit everywhere, that of memory: powers of 1024."""

import pytest

from modelyard.registry.sizes import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (4.7e9, "4.4 GiB"),
        (2 << 50, "2048.0 TiB"),
    ],
)
def test_sizes_are_short(size: float, text: str) -> None:
    """One decimal, and a unit a person would choose."""
    assert size_text(size) == text
