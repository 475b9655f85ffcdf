"""Makes of whatever ends a command an error for people: what is wrong, and what to do."""

import errno
import sys
import traceback

from modelyard.registry.errors import (
    ModelyardError,
    NotInstalled,
    StorageFull,
    how_to_install,
)
from modelyard.serving.errors import DatabaseUnavailable

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


class FileUnusable(ModelyardError):
    """A file or folder cannot be read or written."""

    code = "file_unusable"
    exit_code = 9


class CommandBroke(ModelyardError):
    """A fault of ours: nothing that the user could have known."""

    code = "internal_error"


def for_people(error: Exception) -> ModelyardError:
    """The error itself if it is one for people, else the one that says the same."""
    from sqlalchemy.exc import DBAPIError

    match error:
        case ModelyardError():
            return error
        case ModuleNotFoundError() if error.name in EXTRA_OF:
            return NotInstalled(
                f"This command needs {error.name}, which is not installed here.",
                fix=how_to_install(EXTRA_OF[error.name]),
            )
        case DBAPIError():
            return _database(error)
        case OSError() if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StorageFull(f"There is no room left: {_file(error)}.", fix="Free some.")
        case OSError() if error.filename is not None:
            return FileUnusable(f"{_file(error)}.", fix="Give this user the file, or name another.")
        case _:
            return CommandBroke(
                f"This is a fault of ours: {type(error).__name__}. {_first_line(error)}".strip(),
                fix="`modelyard --debug …` shows where, for a report; trying again may help.",
            )


def show_traceback(error: Exception) -> None:
    """Print the traceback to standard error, without secrets; for --debug."""
    from modelyard.registry.logs.hidden import without_secrets

    sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))


def _database(error: Exception) -> DatabaseUnavailable:
    from sqlalchemy.engine import make_url

    from modelyard.registry.settings import RegistrySettings, load

    url = make_url(load(RegistrySettings).database)
    if url.get_backend_name() == "sqlite":
        fix = "See that this user may write it and its folder, and that it is a database of ours."
    else:
        fix = "Start it, or correct MODELYARD_DATABASE_URL."
    shown = url.render_as_string(hide_password=True)
    reason = _first_line(error.__cause__ or error)
    return DatabaseUnavailable(f"The database {shown} cannot be used: {reason}.", fix=fix)


def _file(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or type(error).__name__}"


def _first_line(error: BaseException) -> str:
    from modelyard.registry.logs.hidden import without_secrets

    return without_secrets(str(error)).strip().partition("\n")[0][:300].rstrip(".")
