"""`models gc` shows and removes, `models verify` tells by its exit code."""

import json

import pytest
from typer.testing import CliRunner, Result

from modelyard.flows.cli import register
from modelyard.flows.context import FlowContext
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.console import Commands, out
from tests.flows.upkeep.registered import registered


@pytest.fixture
def commands(context: FlowContext, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(context.registry.data_dir))
    monkeypatch.setattr(out, "_width", 200)
    commands = Commands()
    register(commands)
    return commands


def run(commands: Commands, *arguments: str) -> Result:
    return CliRunner().invoke(commands.root, ["models", *arguments], catch_exceptions=False)


def test_gc_removes_only_when_it_is_told_to(context: FlowContext, commands: Commands) -> None:
    """First what and why; then the same list, gone; then nothing."""
    registered(context, "o/gone")
    context.catalog.remove(ModelRef.parse("o/gone"))
    for _ in range(2):
        shown = run(commands, "gc")
        assert shown.exit_code == 0
        assert "MLflow version" in shown.output
        assert "run the same with --yes" in shown.output
    removed = json.loads(run(commands, "gc", "--yes", "--json").stdout)
    assert {one["kind"] for one in removed} == {"MLflow version", "card", "pin"}
    assert all(one["removed"] and one["why"] for one in removed)
    assert "Everything belongs to something." in run(commands, "gc").output


def test_gc_leaves_to_others_what_a_shared_server_has(
    context: FlowContext, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another installation may know it; with --shared it goes all the same."""
    registered(context, "o/gone")
    context.catalog.remove(ModelRef.parse("o/gone"))
    monkeypatch.setenv("MODELYARD_MLFLOW_URI", context.registry.mlflow)
    removed = {one["kind"]: one["removed"] for one in _cleared(commands)}
    assert removed == {"MLflow version": False, "card": True, "pin": True}
    assert "may be another installation's" in run(commands, "gc").output
    assert _cleared(commands, "--shared")[0]["removed"]
    assert _cleared(commands) == []


def _cleared(commands: Commands, *more: str) -> list[dict[str, object]]:
    return json.loads(run(commands, "gc", "--yes", "--json", *more).stdout)


def test_verify_ends_with_eight_where_something_differs(
    context: FlowContext, commands: Commands
) -> None:
    """Each finding has its place and what to do."""
    version = registered(context, "o/m")
    agreed = run(commands, "verify")
    assert (agreed.exit_code, "All places agree." in agreed.output) == (0, True)
    context.index.remove(version.id)
    differs = run(commands, "verify", "--quick", "--json")
    assert differs.exit_code == 8
    (finding,) = json.loads(differs.stdout)
    assert (finding["version"], finding["place"]) == ("o/m@1", "index")
    assert finding["fix"]
