"""One running ingest: its entry on the run board, the files it holds, and its cleanup."""

import json
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.flows.context import FlowContext, open_yard
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.steps.choose.candidate import FileSelection
from modelyard.flows.steps.hub.content_lock import content_lock
from modelyard.flows.steps.hub.download import part_key
from modelyard.flows.steps.hub.hub import Progress, RemoteFile
from modelyard.registry.catalog.model import ModelVersion, StoredFile
from modelyard.registry.errors import ModelyardError
from modelyard.registry.locks import exclusive, is_free
from modelyard.registry.runs.recorder import RunRecorder, RunState

FLOW = "ingest"


@dataclass(frozen=True, slots=True)
class IngestRun:
    """State shared by the steps of one ingest."""

    context: FlowContext
    request: IngestRequest
    run: RunRecorder
    trail: Path
    held: ExitStack

    @contextmanager
    def alone(self, choice: FileSelection) -> Generator[None]:
        """Exclude other ingests of the same content; after the wait, nothing may be left to do."""
        lock = content_lock(self.context.store, FLOW, choice.model.parts[0])
        if not is_free(lock):
            self.run.step("wait for another ingest of this model")
        with exclusive(lock):
            yield

    def note_parts(self, files: Iterable[RemoteFile]) -> None:
        """Record the downloads about to begin, so that a cancelled run can be cleaned up."""
        self.trail.parent.mkdir(parents=True, exist_ok=True)
        self.trail.write_text(json.dumps([part_key(file) for file in files]))

    def hold(self, file: StoredFile) -> StoredFile:
        """Keep a file in the store until the run ends."""
        self.held.enter_context(self.context.store.use(file.sha256))
        return file

    def progress_after(self, done: int) -> Progress:
        """A progress callback for one file in a step, after `done` units of that step."""
        return lambda more: self.run.advance(done + more)

    def finish(
        self, versions: Iterable[ModelVersion], notes: Iterable[str], *, new: bool
    ) -> list[str]:
        """Complete the run; `notes` say what is left to do elsewhere."""
        names = [version.ref for version in versions]
        verb = "Registered" if new else "Already here:"
        message = " ".join([f"{verb} {', '.join(names)}.", *notes])
        self.run.finish(RunState.COMPLETED, message)
        return names


@contextmanager
def open_job(request: IngestRequest, prefect_run_id: str) -> Generator[IngestRun]:
    """A run on the board; an exception ends it there and is raised again."""
    with open_yard() as context, ExitStack() as held:
        run = context.board.start(
            FLOW,
            request.subject,
            prefect_run_id,
            visibility=request.visibility,
            owner_id=request.owner_id,
        )
        trail = _trail(context, prefect_run_id)
        try:
            yield IngestRun(context, request, run, trail, held)
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
    """Mark a run as cancelled and remove its partial downloads."""
    with open_yard() as context:
        trail = _trail(context, prefect_run_id)
        keys: list[str] = json.loads(trail.read_text()) if trail.exists() else []
        for key in keys:
            context.store.discard(key)
        trail.unlink(missing_ok=True)
        context.store.sweep()
        mine = (run for run in context.board.list() if run.prefect_run_id == prefect_run_id)
        if run := next(mine, None):
            cancelled = context.board.start(FLOW, run.subject, prefect_run_id)
            cancelled.finish(RunState.CANCELLED, "Cancelled; nothing of it was kept.")


def _trail(context: FlowContext, prefect_run_id: str) -> Path:
    return context.registry.data_dir / "run" / "ingests" / f"{prefect_run_id}.json"
