"""The loggers of our own modules: structlog's, whose events become our lines."""

from dataclasses import dataclass
from typing import NoReturn, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from registry.logs.lines import LINES


@dataclass(frozen=True, slots=True)
class _Named:
    """What structlog hands on to: the name is all that is needed."""

    name: str


def logger(name: str) -> FilteringBoundLogger:
    """A logger that is safe from the first line on, whether its process set anything up or not.

    structlog's own default would write every local variable of every frame.
    """
    wrapped = structlog.wrap_logger(
        _Named(name),
        processors=[_write],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        context_class=dict,
    )
    return cast("FilteringBoundLogger", wrapped)


def _write(named: _Named, level: str, given: EventDict) -> NoReturn:
    values = dict(given)
    LINES.write(named.name, level, str(values.pop("event", "")), values)
    raise structlog.DropEvent  # nothing is left to do
