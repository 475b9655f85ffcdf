"""Removes everywhere what a cancelled ingest began, and says what it had finished before."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from modelyard.flows.context import FlowContext
from modelyard.flows.ingest.run import BUILD, LOCK, OBJECT, PART
from modelyard.flows.runs.record import RunRecord
from modelyard.flows.steps.hub.content_lock import lock_of
from modelyard.registry.catalog.catalog import identity_of
from modelyard.registry.locks import exclusive
from modelyard.registry.runs.state import RunState


def undo(context: FlowContext, record: RunRecord) -> str:
    """Undo a dead run: downloads, files, unfinished versions; returns what the board now says.

    A version that was finished before the cancellation stays: it may be serving. Where another
    run has gone on with the same content, everything of that is left to it. Safe to repeat.
    """
    with suppress(BlockingIOError), _alone(record):
        _give_up_versions(context, record)
        for (key,) in record.noted(PART):
            _discard(context, key)
        for (sha256,) in record.noted(OBJECT):  # what a version pins stays
            context.store.remove(sha256)
    context.store.sweep()
    kept = ", ".join(_finished(context, record))
    message = f"Cancelled; {kept} was registered before that, and stays." if kept else (
        "Cancelled; nothing of it was kept."
    )  # fmt: skip
    context.board.end(record.run_id, RunState.CANCELLED, message)
    record.forget()
    return message


@contextmanager
def _alone(record: RunRecord) -> Generator[None]:
    """Hold the run's content; raises BlockingIOError if another run has it."""
    with ExitStack() as held:
        for (lock,) in record.noted(LOCK):
            held.enter_context(exclusive(Path(lock), wait=False))
        yield


def _discard(context: FlowContext, key: str) -> None:
    """Remove a partial download, unless another run is downloading the same file."""
    lock = lock_of(context.store, "fetch", key.removeprefix("hub/"))
    with suppress(BlockingIOError), exclusive(lock, wait=False):
        context.store.discard(key)


def _give_up_versions(context: FlowContext, record: RunRecord) -> None:
    begun = record.noted(BUILD)
    for version in context.catalog.pending():
        if (version.model, identity_of(version.main.sha256, version.revision)) in begun:
            context.given_up.drop(version)


def _finished(context: FlowContext, record: RunRecord) -> list[str]:
    found = (context.catalog.by_identity(*build) for build in record.noted(BUILD))
    return [version.ref for version in found if version]
