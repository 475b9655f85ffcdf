"""Shows a run's steps on the terminal, read from the run board that the dashboard shows too."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy.exc import OperationalError

from modelyard.registry.runs.runs import RunBoard, RunView
from modelyard.registry.runs.state import RunState
from modelyard.registry.store.capacity import size_text

LOOK_EVERY_S = 0.2


class Amount(ProgressColumn):
    """A column with amount and speed: bytes as sizes, other units by name."""

    def render(self, task: Task) -> Text:
        unit = str(task.fields["unit"])
        if not task.total or not unit:
            return Text("")
        if unit != "bytes":
            return Text(f"{task.completed:.0f}/{task.total:.0f} {unit}")
        speed = f"  {size_text(task.speed)}/s" if task.speed else ""
        return Text(f"{size_text(task.completed)} of {size_text(task.total)}{speed}")


@dataclass(slots=True)
class Screen:
    """One line per step; a terminal shows its progress, a log file only its start."""

    console: Console
    bars: Progress
    step: str = ""
    line: TaskID | None = None

    @classmethod
    def on(cls, console: Console) -> "Screen":
        return cls(
            console,
            Progress(
                SpinnerColumn(finished_text="[green]✓[/green]"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                Amount(),
                TimeElapsedColumn(),
                TimeRemainingColumn(compact=True),
                console=console,
                disable=not console.is_terminal,
            ),
        )

    def show(self, run: RunView) -> None:
        if run.step and run.step != self.step:
            self._begin(run)
        if self.line is not None:
            self.bars.update(self.line, completed=run.done, total=run.total or None, unit=run.unit)

    def end(self, *, well: bool) -> None:
        if self.line is not None and well:
            self._tick()

    def _begin(self, run: RunView) -> None:
        if self.line is not None:
            self._tick()
        self.step = run.step
        self.line = self.bars.add_task(run.step, total=run.total or None, unit=run.unit)
        if not self.console.is_terminal:
            self.console.print(run.step)

    def _tick(self) -> None:
        """Show the current step as done."""
        line = self.line
        if line is not None:
            total = self.bars.tasks[line].total or 1
            self.bars.update(line, total=total, completed=total)


@dataclass(slots=True)
class Watcher:
    """Follows the run of a subject that starts after the watcher does."""

    board: RunBoard
    subject: str
    screen: Screen
    earlier: frozenset[str]
    ended: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        while not self.ended.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> RunView | None:
        with suppress(OperationalError):  # a busy database: look again next time
            runs = self.board.list(limit=20)
            mine = (r for r in runs if r.subject == self.subject and r.id not in self.earlier)
            if run := next(mine, None):
                self.screen.show(run)
                return run
        return None


@contextmanager
def watching(board: RunBoard, subject: str, console: Console) -> Generator[None]:
    """Show the run that starts inside the block until it ends."""
    screen = Screen.on(console)
    watcher = Watcher(board, subject, screen, frozenset(run.id for run in board.list(limit=100)))
    thread = threading.Thread(target=watcher.follow, name="watch", daemon=True)
    with screen.bars:
        thread.start()
        try:
            yield
        finally:
            watcher.ended.set()
            thread.join()
            last = watcher.look()
            screen.end(well=last is not None and last.state is RunState.COMPLETED)
