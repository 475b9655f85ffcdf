"""NVIDIA cards that are a text file: a stub library that the real bindings load."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("fakenvml.c")


@dataclass(frozen=True, slots=True)
class FakeNvml:
    """A built stub and the file it answers from; a process needs `environment` to see it."""

    folder: Path

    @classmethod
    def build(cls, folder: Path) -> "FakeNvml":
        library = folder / "libnvidia-ml.so.1"
        flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
        subprocess.run(["cc", *flags, "-o", str(library), str(SOURCE)], check=True)
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML_FILE": str(self._file)}

    def answer(self, lines: str) -> None:
        """What the cards say from now on."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(lines)
        draft.replace(self._file)

    @property
    def _file(self) -> Path:
        return self.folder / "cards.txt"
