"""How the installed llama.cpp was built, as set-up recorded it in the virtual environment."""

from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.serving.engines.llama_cpp.trial.json_file import keep, read_kept

FILE = "llama_cpp_build.json"


@dataclass(frozen=True, slots=True)
class Built:
    """One build: its name, version, target processor and the user's CMake arguments.

    `environment` holds the variables added for the compilation, `key` is uv's cache key of the
    wheel; `because` is the failure of the previous build, if there was one.
    """

    name: str
    version: str
    processor: str
    cmake_args: str
    environment: dict[str, str]
    key: str
    because: str = ""

    def __str__(self) -> str:
        return self.name + (f", because the one before failed: {self.because}" * bool(self.because))


def read_built(environment: Path) -> Built | None:
    """The record in a virtual environment; None if it is missing or unreadable."""
    try:
        return Built(**read_kept(environment / FILE))
    except TypeError:
        return None


def note_built(built: Built, environment: Path) -> None:
    keep(environment / FILE, asdict(built))
