"""The terminal shows the run that was just started, step by step."""

import io
import time
from pathlib import Path

from rich.console import Console

from modelyard.flows.ingest.watch import watching
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState


def _shown(text: io.StringIO, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in text.getvalue():
        assert time.monotonic() < deadline, text.getvalue()
        time.sleep(0.02)


def test_each_step_is_a_line(catalog: Catalog) -> None:
    """A log file gets the steps as they begin; runs of others and of before are not shown."""
    board = RunBoard(catalog.db)
    text = io.StringIO()
    with board.start("ingest", "ada/m@main") as earlier:
        earlier.step("of an earlier run")
    with watching(board, "ada/m@main", Console(file=text)):
        with board.start("ingest", "eve/m@main") as other:
            other.step("of another model")
        with board.start("ingest", "ada/m@main") as run:
            for step in ("download", "evaluate"):
                run.step(step, 10, "bytes")
                _shown(text, step)
            run.finish(RunState.COMPLETED)
    assert text.getvalue().split() == ["download", "evaluate"]


def test_a_terminal_sees_amounts_move(catalog: Catalog, tmp_path: Path) -> None:
    """Bytes are told as bytes, with how much there is of how much."""
    board = RunBoard(catalog.db)
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    with watching(board, "ada/m@main", console), board.start("ingest", "ada/m@main") as run:
        run.step("download", 2_000_000, "bytes")
        time.sleep(0.6)
        run.advance(1_000_000)
        _shown(text, "976.6 KiB of 1.9 MiB")
        run.finish(RunState.COMPLETED)
    assert "✓" in text.getvalue()
