"""A setting that nobody reads is told, with the one that was probably meant."""

import os

import pytest

from modelyard.registry.process.known_settings import unread_variables
from modelyard.registry.settings import sections, variable_of


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MODELYARD_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("MODELYARD_DATABSE_URL", "MODELYARD_DATABASE_URL"),
        ("MODELYARD_DATA", "MODELYARD_DATA_DIR"),
        ("MODELYARD_WORKERS_HOST", "MODELYARD_WORKER_HOST"),
        ("MODELYARD_QQQQQQ", "modelyard config"),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_nearest(
    variable: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment it may be of another version, so that it is no error."""
    monkeypatch.setenv(variable, "x")
    (sentence,) = unread_variables()
    assert variable in sentence
    assert near in sentence


def test_every_setting_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every package; and what docker compose, the demo's Hub and the file's name need."""
    for _, section in sections():
        for name, field in section.model_fields.items():
            monkeypatch.setenv(variable_of(name, field), "1")
    for name in ("CONFIG", "VERSION", "DEMO_HUB_TOKEN"):
        monkeypatch.setenv(f"MODELYARD_{name}", "1")
    assert unread_variables() == []
