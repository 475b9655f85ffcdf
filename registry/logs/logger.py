"""The loggers of our own modules: structlog's, whose events become our lines."""

from dataclasses import dataclass
from typing import NoReturn, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from modelyard.registry.logs.lines import LINES


@dataclass(frozen=True, slots=True)
class _Named:
    """What structlog hands on to: the name is all that is needed."""

    name: str = ""


def logger(name: str) -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def _write(named: _Named, level: str, given: EventDict) -> NoReturn:
    values = dict(given)
    LINES.write(named.name, level, str(values.pop("event", "")), values)
    raise structlog.DropEvent  # nothing is left to do


# From the first import on, whether the process sets anything up or not: structlog's own default
# writes every local variable of every frame of an exception.
structlog.configure(
    processors=[_write],
    wrapper_class=structlog.make_filtering_bound_logger(0),
    context_class=dict,
    logger_factory=_Named,
    cache_logger_on_first_use=False,
)
