"""One running ingest: its entry on the run board, its record, and the files that it holds."""

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.full_disk import raised_as_ours
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.runs.record import RunRecord, record_of
from modelyard.flows.steps.choose.candidate import FileSelection
from modelyard.flows.steps.hub.content_lock import content_lock
from modelyard.flows.steps.hub.download import part_key
from modelyard.flows.steps.hub.hub import HubClient, Progress, RemoteFile
from modelyard.registry.catalog.catalog import identity_of
from modelyard.registry.catalog.model import ModelVersion, StoredFile
from modelyard.registry.errors import ModelyardError
from modelyard.registry.locks import exclusive, is_free
from modelyard.registry.runs.recorder import RunRecorder
from modelyard.registry.runs.state import RunState

FLOW = "ingest"
LOCK = "lock"
PART = "part"
OBJECT = "object"
BUILD = "build"


@dataclass(frozen=True, slots=True)
class IngestRun:
    """State shared by the steps of one ingest."""

    context: FlowContext
    request: IngestRequest
    run: RunRecorder
    record: RunRecord
    held: ExitStack

    @contextmanager
    def alone(self, choice: FileSelection) -> Generator[None]:
        """Exclude other ingests of the same content; after the wait, nothing may be left to do."""
        lock = content_lock(self.context.store, FLOW, choice.model.parts[0])
        if not is_free(lock):
            self.run.step("wait for another ingest of this model")
        with exclusive(lock):
            self.record.note(LOCK, str(lock))
            yield

    def note_parts(self, files: Iterable[RemoteFile]) -> None:
        """Record the downloads about to begin, so that a cancelled run can be cleaned up."""
        for file in files:
            self.record.note(PART, part_key(file))

    def note_build(self, main: StoredFile, commit: str) -> None:
        """Record the version about to be registered, for the same reason."""
        self.record.note(BUILD, self.request.model, identity_of(main.sha256, commit))

    def bring(self, known: str | None, make: Callable[[], StoredFile]) -> StoredFile:
        """Make a file and hold it; what was in the store before, as `known`, is not this run's."""
        was_here = known is not None and self.context.store.has(known)
        file = self.hold(make())
        if not was_here:
            self.record.note(OBJECT, file.sha256)
        return file

    def hold(self, file: StoredFile) -> StoredFile:
        """Keep a file in the store until the run ends."""
        self.held.enter_context(self.context.store.use(file.sha256))
        return file

    def hub_for(self, step: str, total: int = 0, unit: str = "") -> HubClient:
        """The Hub as asked in a step; the board shows the waits that it asks for."""

        @contextmanager
        def waiting(seconds: float) -> Generator[None]:
            self.run.step(f"wait {seconds:.0f} s, as the Hub asks")
            yield
            self.run.step(step, total, unit)

        return replace(self.context.settings.hub, waiting=waiting)

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
    """A run on the board; an exception ends it there and is raised again.

    The record of a run that ended by itself goes. That of a stopped one stays, for whoever settles
    what it left: the hook of a cancellation, or the next look at dead runs.
    """
    with open_context() as context, ExitStack() as held, raised_as_ours():
        record = record_of(context.registry.data_dir, prefect_run_id)
        held.enter_context(record.held())
        run = context.board.start(
            FLOW,
            request.subject,
            prefect_run_id,
            visibility=request.visibility,
            owner_id=request.owner_id,
        )
        try:
            yield IngestRun(context, request, run, record, held)
        except Exception as error:
            ours = isinstance(error, ModelyardError)
            reason = str(error) if ours else f"{type(error).__name__}: {error}"
            _end(run, RunState.FAILED, reason)
            record.forget()
            raise
        except BaseException:
            _end(run, RunState.INTERRUPTED, "Stopped; the same again continues where it was.")
            raise
        record.forget()


@contextmanager
def refusals_shown(subject: str) -> Generator[None]:
    """Show on the board that an order was refused, where the block raises an error of ours."""
    try:
        yield
    except ModelyardError as error:
        with open_context() as context:
            context.board.refuse(FLOW, subject, str(error))
        raise


def _end(run: RunRecorder, state: RunState, message: str) -> None:
    """End the run on the board; a database that fails, too, must not hide why the run ended."""
    with suppress(SQLAlchemyError):
        run.finish(state, message)
