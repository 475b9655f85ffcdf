"""A report as it grows: sections of rows, what passed, what failed, what could not be seen."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

PACKAGES = ("modelyard", "llama-cpp-python", "nvidia-ml-py")


@dataclass(slots=True)
class GpuReport:
    """Markdown about one device; `failures` are the checks that did not hold."""

    device: str
    dry_run: bool
    failures: list[str] = field(default_factory=list[str])
    _lines: list[str] = field(default_factory=list[str])

    def section(self, title: str) -> None:
        print(f"… {title}", flush=True)
        self._lines += ["", f"## {title}", ""]

    def table(self, heads: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
        """Rows of cells under their heads."""
        self._lines += [_row(heads), _row(["---"] * len(heads)), *(_row(row) for row in rows), ""]

    def check(self, what: str, *, holds: bool, seen: str = "") -> None:
        """A line that says whether something held."""
        if not holds:
            self.failures.append(what)
        self._lines.append(f"- {'ok' if holds else '**FAILED**'}: {what}{seen and f' ({seen})'}")

    def note(self, text: str) -> None:
        self._lines.append(f"- {text}")

    def markdown(self) -> str:
        dry = ["**DRY RUN on a processor: no figure here says anything about a GPU.**", ""]
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        verdict = f"{len(self.failures)} checks failed." if self.failures else "Every check held."
        about = f"{datetime.now(UTC):%Y-%m-%d}, {platform.platform()}, {packages}. {verdict}"
        title = f"# GPU check: {self.device}"
        return "\n".join([title, "", *(dry if self.dry_run else []), about, *self._lines, ""])


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
