"""What every process does at its entry, so that libraries' lines look like our own."""

import logging
import sys
import threading

from modelyard.registry.logs.lines import LINES, SEVERITY, Form, Level


class LineHandler(logging.Handler):
    """The standard library's records as our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        values = {"exc_info": record.exc_info} if record.exc_info else {}
        level = record.levelname.lower()
        known = level if level in SEVERITY else "debug"
        LINES.write(record.name, known, record.getMessage(), values, template=str(record.msg))


def set_up(form: Form = "auto", level: Level = "info") -> None:
    """Say how this process writes lines, and have all that is written through `logging` be them.

    Of libraries what is a warning or worse, or with `debug` all but their own `debug`.
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
