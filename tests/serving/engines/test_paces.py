"""Steps are compared by size, and what was long ago is forgotten."""

import pytest

from modelyard.serving.engines.paces import StepSpeeds


def test_steps_of_like_size_share_a_pace() -> None:
    """Sizes are powers of two; each counts its steps and tells tokens a second."""
    paces = StepSpeeds()
    for tokens in (5, 8, 7):
        paces.add(tokens, tokens / 50)
    paces.add(9, 0.1)
    paces.add(1, 0.02)
    assert paces.as_json() == {"8": [3, 50.0], "16": [1, 90.0], "1": [1, 50.0]}


def test_a_device_that_slows_down_is_soon_seen_to() -> None:
    """A thousand quick steps weigh little after two hundred slow ones."""
    paces = StepSpeeds()
    for _ in range(1000):
        paces.add(4, 0.01)
    for _ in range(200):
        paces.add(4, 0.02)
    steps, speed = paces.as_json()["4"]
    assert steps == 1200
    assert speed == pytest.approx(200, rel=0.02)
