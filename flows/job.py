"""One ingest under way: its place on the run board, what it holds, and what it leaves behind."""

import json
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.order import Order
from flows.steps.candidate import Choice
from flows.steps.download import part_key
from flows.steps.hub import Progress, RemoteFile
from flows.steps.turns import turn
from flows.yard import Yard, open_yard
from registry.errors import ModelyardError
from registry.locks import exclusive, is_free
from registry.names import ModelVersion, RunState, StoredFile
from registry.run import Run

FLOW = "ingest"


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps of one ingest share."""

    yard: Yard
    order: Order
    run: Run
    trail: Path
    held: ExitStack

    @contextmanager
    def alone(self, choice: Choice) -> Generator[None]:
        """Wait for another ingest of the same content to end; it may leave us nothing to do."""
        lock = turn(self.yard.store, FLOW, choice.model.parts[0])
        if not is_free(lock):
            self.run.step("wait for another ingest of this model")
        with exclusive(lock):
            yield

    def note_parts(self, files: Iterable[RemoteFile]) -> None:
        """Write down which downloads we begin, so that a cancelled run can be cleared away."""
        self.trail.parent.mkdir(parents=True, exist_ok=True)
        self.trail.write_text(json.dumps([part_key(file) for file in files]))

    def hold(self, file: StoredFile) -> StoredFile:
        """Keep the store from letting go of a file until the run ends."""
        self.held.enter_context(self.yard.store.use(file.sha256))
        return file

    def progress_after(self, done: int) -> Progress:
        """Progress of one file within a step, after `done` units of it."""
        return lambda more: self.run.advance(done + more)

    def finish(
        self, versions: Iterable[ModelVersion], notes: Iterable[str], *, new: bool
    ) -> list[str]:
        """End the run well; the notes say what is left to do elsewhere."""
        names = [version.ref for version in versions]
        verb = "Registered" if new else "Already here:"
        message = " ".join([f"{verb} {', '.join(names)}.", *notes])
        self.run.finish(RunState.COMPLETED, message)
        return names


@contextmanager
def open_job(order: Order, prefect_run_id: str) -> Generator[Job]:
    """A run on the board; whatever ends it early is written there before it goes on its way."""
    with open_yard() as yard, ExitStack() as held:
        run = yard.board.start(FLOW, order.subject, prefect_run_id)
        trail = _trail(yard, prefect_run_id)
        try:
            yield Job(yard, order, run, trail, held)
        except ModelyardError as error:
            run.finish(RunState.FAILED, str(error))
            raise
        except Exception as error:
            run.finish(RunState.FAILED, f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            run.finish(RunState.INTERRUPTED, "Stopped; the same again continues where it was.")
            raise
        trail.unlink(missing_ok=True)


def clear_away(prefect_run_id: str) -> None:
    """Mark a run cancelled and remove what it had begun to download."""
    with open_yard() as yard:
        trail = _trail(yard, prefect_run_id)
        keys: list[str] = json.loads(trail.read_text()) if trail.exists() else []
        for key in keys:
            yard.store.discard(key)
        trail.unlink(missing_ok=True)
        yard.store.sweep()
        mine = (run for run in yard.board.list() if run.prefect_run_id == prefect_run_id)
        if run := next(mine, None):
            cancelled = yard.board.start(FLOW, run.subject, prefect_run_id)
            cancelled.finish(RunState.CANCELLED, "Cancelled; nothing of it was kept.")


def _trail(yard: Yard, prefect_run_id: str) -> Path:
    return yard.registry.data_dir / "run" / "ingests" / f"{prefect_run_id}.json"
