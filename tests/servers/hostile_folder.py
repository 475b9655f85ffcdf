"""A folder as anybody's project may be, whose every module leaves a trace if it is imported."""

from dataclasses import dataclass
from pathlib import Path

PACKAGES = (
    "dashboard", "deployments", "flows", "modelyard", "registry", "serving", "prefect", "streamlit",
)  # fmt: skip
MODULES = (
    "asyncio", "enum", "json", "logging", "mlflow", "multiprocessing", "sitecustomize", "socket",
    "ssl", "usercustomize", "uvicorn",
)  # fmt: skip
"""Ours, the libraries', Python's own, and those that Python looks for by itself."""

SETTINGS = {
    ".env": "PREFECT_API_URL=http://127.0.0.1:9/api\nPREFECT_SERVER_DATABASE_CONNECTION_URL=none\n",
    "prefect.toml": '[server.database]\nconnection_url = "none"\n',
    ".streamlit/config.toml": '[server]\nbaseUrlPath = "elsewhere"\nenableCORS = false\n',
}
"""What libraries would read of the folder that they stand in."""

_MODULE = """
from sys import argv
open({trace!r}, "a").write({name!r} + " " + " ".join(argv) + chr(10))
raise SystemExit("{name} of the working folder was imported")
"""


@dataclass(frozen=True, slots=True)
class HostileFolder:
    """The folder, and the names of those of its modules that somebody imported."""

    path: Path
    trace: Path

    @property
    def imported(self) -> list[str]:
        return self.trace.read_text().splitlines() if self.trace.exists() else []


def hostile_folder(path: Path) -> HostileFolder:
    """Fill a new folder; the trace lies beside it."""
    trace = path.with_name(f"{path.name}-trace")
    files = {f"{name}/__init__.py": name for name in PACKAGES}
    files |= {f"{name}.py": name for name in MODULES}
    texts = {file: _MODULE.format(trace=str(trace), name=name) for file, name in files.items()}
    for file, text in (texts | SETTINGS).items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)
    return HostileFolder(path, trace)
