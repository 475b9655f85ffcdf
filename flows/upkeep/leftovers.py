"""Finds what belongs to nothing: files, downloads, locks, pins, dead runs, orphaned records."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from modelyard.flows.context import FlowContext
from modelyard.flows.ingest.run import LOCK
from modelyard.flows.runs.record import records
from modelyard.flows.steps.publish.abandoned import PATIENCE
from modelyard.registry.database import utc_now
from modelyard.registry.files.file_store import pin_of
from modelyard.registry.locks import is_free, remove_free

FRESH_S = 60.0
"""A file used within so many seconds may be in somebody's hands who has not said so yet."""

FILES = "file"
PARTS = "download"
"""The kinds that a later run may still use; daily upkeep leaves them to the store's bound."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that belongs to nothing; `size` is in bytes, `why` says what it was.

    What lies on a `shared` server may be another installation's.
    """

    kind: str
    name: str
    size: int
    why: str
    remove: Callable[[], object]
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The leftovers of an installation, in every place that it keeps something in.

    `settle` ends dead runs.
    """

    context: FlowContext
    settle: Callable[[FlowContext], object]
    fresh_s: float = FRESH_S

    def find(self) -> list[Leftover]:
        """Every leftover; raises MlflowUnavailable, IndexUnavailable or StorageFull.

        Places are read before the catalog: a version is in the catalog before it is anywhere else,
        so what is registered meanwhile is no leftover.
        """
        orphans = [*self._in_mlflow(), *self._cards(), *self._pins()]
        known = self._known()
        return [
            *self._runs(),
            *self._registrations(),
            *(leftover for owner, leftover in orphans if owner not in known),
            *self._files(),
            *self._scratch(),
            *self._locks(),
        ]

    def clear(self, leftovers: list[Leftover]) -> None:
        for leftover in leftovers:
            leftover.remove()

    def is_busy(self) -> bool:
        """Whether an ingest runs now: what it has in hand cannot be told from a leftover."""
        every = records(self.context.registry.data_dir)
        return any(record.noted(LOCK) and not record.is_dead for record in every)

    def _known(self) -> set[str]:
        """The owners that the database knows, those of unfinished registrations included."""
        catalog = self.context.catalog
        versions = [*catalog.list(), *catalog.pending()]
        adapters = self.context.adapters.ids()
        return (
            {f"version:{v.id}" for v in versions}
            | {f"adapter:{id_}" for id_ in adapters}
            | {pin_of(id_) for id_ in self.context.files.ids()}
        )

    def _runs(self) -> Iterator[Leftover]:
        settle = partial(self.settle, self.context)
        dead = [each for each in records(self.context.registry.data_dir) if each.is_dead]
        for record in dead:
            why = "the process of this run was killed; it is ended on the board and on Prefect"
            yield Leftover("run", record.run_id, record.file.stat().st_size, why, settle)
        for run in self.context.board.silent():
            why = "no sign of life for over an hour; it is ended on the board"
            yield Leftover("run", f"{run.flow} {run.subject}", 0, why, settle)

    def _registrations(self) -> Iterator[Leftover]:
        for version in self.context.catalog.pending():
            if version.created_at < utc_now() - PATIENCE:
                why = "a registration that was begun over a week ago and never finished"
                drop = partial(self.context.given_up.drop, version)
                yield Leftover("registration", version.ref, 0, why, drop)

    def _in_mlflow(self) -> Iterator[tuple[str, Leftover]]:
        mlflow = self.context.mlflow
        shared = bool(self.context.registry.mlflow_uri)
        for held in mlflow.recorded():
            why = "MLflow has a version that the catalog does not have"
            remove = partial(mlflow.delete, held)
            name = f"{held.name} version {held.number}"
            found = Leftover("MLflow version", name, 0, why, remove, shared=shared)
            yield f"version:{held.version_id}", found

    def _cards(self) -> Iterator[tuple[str, Leftover]]:
        index = self.context.index
        shared = bool(self.context.registry.qdrant_url)
        for id_ in index.ids():
            why = "the index has the card of a version that the catalog does not have"
            remove = partial(index.remove, id_)
            yield f"version:{id_}", Leftover("card", id_, 0, why, remove, shared=shared)

    def _pins(self) -> Iterator[tuple[str, Leftover]]:
        store = self.context.store
        for owner, hashes in store.pin_owners().items():
            why = f"keeps {len(hashes)} files for what the database does not have"
            yield owner, Leftover("pin", owner, 0, why, partial(store.unpin, owner))

    def _files(self) -> Iterator[Leftover]:
        if self.is_busy():
            return
        store = self.context.store
        before = time.time() - self.fresh_s
        for entry in store.unpinned():
            if entry.used_at < before:
                why = "no version needs it; kept so that a later ingest need not make it again"
                remove = partial(store.remove, entry.path.name)
                yield Leftover(FILES, entry.path.name[:16], entry.size, why, remove)
        for entry in store.parts():
            if entry.used_at < before:
                why = "an interrupted download; the same `models add` goes on from it"
                remove = partial(entry.path.unlink, missing_ok=True)
                yield Leftover(PARTS, entry.path.name[:16], entry.size, why, remove)

    def _scratch(self) -> Iterator[Leftover]:
        for folder, size in self.context.store.unheld_scratch():
            why = "a killed process worked here"
            yield Leftover("scratch folder", folder, size, why, self.context.store.sweep)

    def _locks(self) -> Iterator[Leftover]:
        for file in sorted((self.context.store.root / "locks").glob("*.lock")):
            if is_free(file):
                why = "nobody holds this lock"
                yield Leftover("lock", file.name[:40], 0, why, partial(remove_free, file))
