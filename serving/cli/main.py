"""The root of the `modelyard` command: every installed room brings its own commands."""

import sys
from importlib.metadata import entry_points
from typing import NoReturn

from rich.markup import escape

from modelyard.registry.console import Commands, err
from modelyard.registry.errors import ModelyardError, NotInstalled
from modelyard.registry.logs import logger
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.process.start import begin
from modelyard.registry.settings import check_known

EXTRA_OF = {
    "gguf": "gguf",
    "huggingface_hub": "flows",
    "llama_cpp": "gguf",
    "mlflow": "flows",
    "numpy": "gguf",
    "onnxruntime": "onnx-cpu",
    "prefect": "flows",
    "qdrant_client": "flows",
    "qdrant_edge": "flows",
    "streamlit": "dashboard",
}
"""Which of our extras brings a library; commands import theirs when they run."""

_log = logger("modelyard")


def build() -> Commands:
    commands = Commands()
    for entry in sorted(entry_points(group="modelyard.commands"), key=lambda e: e.name):
        entry.load()(commands)
    return commands


def run() -> None:
    """Run one command; an expected error is a message, the way out and its own exit code."""
    try:
        begin()
        check_known()
        build().root()
    except ModelyardError as error:
        _end(error)
    except Exception as error:  # noqa: BLE001  whatever it is: it is told without anybody's values
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRA_OF:
            _end(_missing(error.name))
        _log.critical("the command broke", exc_info=error)
        sys.exit(1)


def _missing(library: str) -> NotInstalled:
    return NotInstalled(
        f"This command needs {library}, which is not installed here.",
        fix=f"pip install 'modelyard[{EXTRA_OF[library]}]'",
    )


def _end(error: ModelyardError) -> NoReturn:
    """Print the error without what is secret in the addresses of servers, and exit."""
    err.print(f"[red]Error:[/red] {escape(without_logins(error.message))}", highlight=False)
    if error.fix:
        err.print(f"[yellow]Fix:[/yellow] {escape(without_logins(error.fix))}", highlight=False)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
