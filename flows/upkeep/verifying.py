"""Compares what the catalog says of each version with store, MLflow and card index."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelyard.flows.context import FlowContext
from modelyard.registry.catalog.model import ModelVersion, StoredFile
from modelyard.registry.mlflow.mirror import RecordedVersion
from modelyard.registry.store.object_writer import digest_of

Told = Callable[[ModelVersion], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a version differs from the catalog, and what puts it right."""

    version: str
    place: str
    problem: str
    fix: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks versions; `hashes` also reads every file and compares its content with its name."""

    context: FlowContext
    hashes: bool = True

    def check(self, told: Told) -> list[Difference]:
        """What differs; `told` gets each version before it is checked.

        Raises MlflowUnavailable, IndexUnavailable or StorageFull.
        """
        versions = self.context.catalog.list()
        recorded = {held.version_id: held for held in self.context.mlflow.recorded()}
        cards = self.context.index.ids()
        pins = self.context.store.pin_owners()
        found: list[Difference] = []
        for version in versions:
            told(version)
            found += self._files(version, pins.get(f"version:{version.id}", set()))
            found += _recorded(version, recorded.get(version.id))
            if version.id not in cards:
                fix = "`modelyard models add` of the same again, or the next daily upkeep."
                found.append(Difference(version.ref, "index", "It has no card.", fix))
        return [*found, *self._aliases()]

    def _aliases(self) -> Iterator[Difference]:
        for drift in self.context.aliases.drift():
            yield Difference(f"{drift.model}@{drift.alias}", "MLflow", str(drift), drift.fix)

    def _files(self, version: ModelVersion, pinned: set[str]) -> Iterator[Difference]:
        again = f"`modelyard models remove {version.ref}`, then add it again."
        for file in version.files:
            if problem := self._problem(file):
                yield Difference(version.ref, "store", f"{file.path} {problem}.", again)
            elif file.sha256 not in pinned:
                yield Difference(version.ref, "store", f"{file.path} is not pinned.", again)

    def _problem(self, file: StoredFile) -> str:
        store = self.context.store
        if not store.has(file.sha256):
            return "is missing"
        if (size := store.size(file.sha256)) != file.size:
            return f"has {size} bytes, not {file.size}"
        if self.hashes:
            with store.use(file.sha256) as path:
                if digest_of(path) != file.sha256:
                    return "has another content than its name says"
        return ""


def _recorded(version: ModelVersion, held: RecordedVersion | None) -> Iterator[Difference]:
    if version.mlflow_version is None:
        return
    if held is None:
        fix = f"`modelyard models remove {version.ref}`, then add it again."
        yield Difference(version.ref, "MLflow", "MLflow does not have it.", fix)
    elif held.number != version.mlflow_version:
        problem = f"It is version {held.number} there, the catalog says {version.mlflow_version}."
        yield Difference(
            version.ref, "MLflow", problem, "The next `models add` of it corrects this."
        )
