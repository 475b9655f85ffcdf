"""Describes an exception on one log line: type, message and source positions.

Quoted text in a message is often user input: a long quotation is replaced by its length.
"""

import re
from collections import deque
from itertools import islice
from pathlib import Path
from types import CodeType, TracebackType

MOST_PLACES = 6
MOST_CAUSES = 3
OWN = frozenset(("benchmarks", "modelyard"))
MESSAGE_CHARACTERS = 300
QUOTED_CHARACTERS = 40

Place = tuple[CodeType, int]

_ROOT = f"{Path(__file__).parents[2]}/"
_QUOTED = re.compile(rf"(['\"])((?:(?!\1)[^\n]){{{QUOTED_CHARACTERS},}})(?:\1|$)")


def told(error: BaseException) -> dict[str, str]:
    """The exception as log fields: `error` (type and message), `at` and `because`.

    `at` lists the source positions, innermost first; `because` describes the causes. The time this
    takes does not depend on the size of what the exception holds.
    """
    facts = {"error": _named(error), "at": places(error.__traceback__)}
    causes = [f"{_named(cause)} at {places(cause.__traceback__, 1)}" for cause in _causes(error)]
    return facts | ({"because": "; ".join(causes)} if causes else {})


def places(trace: TracebackType | None, most: int = MOST_PLACES) -> str:
    """Positions as `file:line function`, innermost first: the failing one, then our own frames."""
    own = deque[Place](maxlen=most)
    inner = deque[Place](maxlen=most)
    while trace is not None:
        place = trace.tb_frame.f_code, trace.tb_lineno
        if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in OWN:
            own.append(place)
            inner.clear()
        else:
            inner.append(place)
        trace = trace.tb_next
    shown = [*islice(reversed(inner), 1 if own else most), *reversed(own)]
    return " < ".join(map(_place, shown[:most]))


def _place(place: Place) -> str:
    code, line = place
    file = code.co_filename.removeprefix(_ROOT).rpartition("/site-packages/")[2]
    return f"{file}:{line} {code.co_name}"


def _named(error: BaseException) -> str:
    message = _QUOTED.sub(_length, _message(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _length(quoted: re.Match[str]) -> str:
    return f"{quoted[1]}…{quoted[1]} ({len(quoted[2])} characters)"


def _message(error: BaseException) -> str:
    """The message's first line; database drivers put a statement's values on the later lines."""
    if isinstance(error, KeyError):  # its message is only the key, which may be user input
        text = "".join(f"'{_argument(key)}'" for key in error.args[:1])
    elif type(error).__str__ is BaseException.__str__:
        text = ", ".join(_argument(value) for value in error.args[:4])
    else:
        text = _said(error)
    return text.strip().partition("\n")[0][:MESSAGE_CHARACTERS]


def _said(error: BaseException) -> str:
    try:
        return str(error)[: 4 * MESSAGE_CHARACTERS]
    except Exception as second:  # noqa: BLE001  a failing __str__ must not break logging
        return f"({type(second).__name__} when asked what it is)"


def _argument(value: object) -> str:
    """An exception's argument as text; for anything but strings and small numbers, its type."""
    if isinstance(value, str):
        return value[: 4 * MESSAGE_CHARACTERS]
    is_small = isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 64)
    return str(value) if is_small else type(value).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """The causes of an exception: a group's first member, else its cause or context."""
    found = list[BaseException]()
    while len(found) < MOST_CAUSES:
        group = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        context = None if error.__suppress_context__ else error.__context__
        cause = group or error.__cause__ or context
        if cause is None or cause in found:
            break
        found.append(cause)
        error = cause
    return found
