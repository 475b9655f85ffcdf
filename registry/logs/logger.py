"""Loggers for our own modules: structlog loggers whose events are written as our log lines."""

from dataclasses import dataclass
from typing import NoReturn, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from modelyard.registry.logs.lines import LINES


@dataclass(frozen=True, slots=True)
class _Named:
    """The wrapped logger that structlog passes on; it only carries the name."""

    name: str = ""


def logger(name: str) -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def _write(named: _Named, level: str, given: EventDict) -> NoReturn:
    values = dict(given)
    LINES.write(named.name, level, str(values.pop("event", "")), values)
    raise structlog.DropEvent  # the line is already written


# Set on import, even if the process never calls `set_up`: structlog's own default
# writes every local variable of every frame of an exception.
structlog.configure(
    processors=[_write],
    wrapper_class=structlog.make_filtering_bound_logger(0),
    context_class=dict,
    logger_factory=_Named,
    cache_logger_on_first_use=False,
)
