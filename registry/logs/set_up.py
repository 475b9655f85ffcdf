"""Sets up logging when a process starts, so that libraries' lines look like our own."""

import logging
import sys
import threading

from modelyard.registry.logs.lines import LINES, SEVERITY, Form, Level


class LineHandler(logging.Handler):
    """A logging handler that writes the standard library's records as our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        values = {"exc_info": record.exc_info} if record.exc_info else {}
        level = record.levelname.lower()
        known = level if level in SEVERITY else "debug"
        LINES.write(record.name, known, record.getMessage(), values, template=str(record.msg))


def set_up(form: Form = "auto", level: Level = "info") -> None:
    """Configure this process's log lines, and route all of `logging` through them.

    Libraries' records are written from `warning` up; at level `debug`, from `info` up.
    """
    LINES.form = form
    LINES.level = level
    root = logging.getLogger()
    root.handlers[:] = [LineHandler()]
    root.setLevel(logging.INFO if level == "debug" else max(logging.WARNING, SEVERITY[level]))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(_kind: type[BaseException], error: BaseException, _trace: object) -> None:
    LINES.write("modelyard", "critical", "the process broke", {"exc_info": error})


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    name = given.thread.name if given.thread else ""
    LINES.write(
        "modelyard", "error", "a thread broke", {"thread": name, "exc_info": given.exc_value}
    )
