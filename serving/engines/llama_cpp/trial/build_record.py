"""How the installed llama.cpp was built, as set-up noted it inside the environment."""

from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.serving.engines.llama_cpp.trial.json_file import keep, read_kept

FILE = "llama_cpp_build.json"


@dataclass(frozen=True, slots=True)
class Built:
    """One build: its name, its version, for which processor, with which arguments of the user's.

    `environment` is what was added to that of the compilation, `key` what uv keeps its wheel by;
    `because` tells what failed of the build before it, where there was one.
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
    """The note inside a virtual environment; None where there is none that can be read."""
    try:
        return Built(**read_kept(environment / FILE))
    except TypeError:
        return None


def note_built(built: Built, environment: Path) -> None:
    keep(environment / FILE, asdict(built))
