"""The record of a flow run: a file of what it began, locked by its process while that lives.

The kernel frees the lock when the process ends, however it ends. So others see at once that a run
is dead, and read from its record what is to be ended or removed.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.locks import exclusive, is_free


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run's record; its name is the id of the run in Prefect. Each line is one fact."""

    file: Path

    @property
    def run_id(self) -> str:
        return self.file.stem

    @property
    def is_dead(self) -> bool:
        """Whether no process holds the record: its run has ended, or was killed."""
        return is_free(self.file)

    def note(self, fact: str, *values: str) -> None:
        """Write a fact down before it becomes true, so that a killed run has said so."""
        with self.file.open("a") as lines:
            lines.write(json.dumps([fact, *values]) + "\n")

    def noted(self, fact: str) -> list[tuple[str, ...]]:
        """The values of a fact, each once, in their order; a line cut off by a kill is left out."""
        if not self.file.exists():
            return []
        whole = (line for line in self.file.read_text().splitlines() if line.endswith("]"))
        facts = (json.loads(line) for line in whole)
        return list(dict.fromkeys(tuple(rest) for first, *rest in facts if first == fact))

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the record for the length of the block; a run that starts again continues it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self.file):
            yield


def record_of(data_dir: Path, run_id: str) -> RunRecord:
    return RunRecord(_folder(data_dir) / f"{run_id}.jsonl")


def records(data_dir: Path) -> list[RunRecord]:
    return [RunRecord(file) for file in sorted(_folder(data_dir).glob("*.jsonl"))]


def _folder(data_dir: Path) -> Path:
    return data_dir / "run" / "flows"
