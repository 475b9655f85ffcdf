"""One question to the gateway and its tries, told apart from who sends it and who waits."""

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2

from modelyard.serving.client.problem import ApiProblem, GatewaySilent

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0
LONGEST_WAIT_S = 60.0
"""A gateway that asks to wait for longer is not waited for: the caller is told."""

LATER = frozenset({429, 502, 503, 504})
"""Statuses after which the same may succeed a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One HTTP request; one that is not `is_repeatable` must not arrive twice."""

    method: str
    path: str
    body: object = None
    query: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    form: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds in which nothing is asked."""

    seconds: float


Result = TypeVar("Result")
Conversation = Generator[Question | Pause, httpx2.Response | None, Result]
"""Questions and pauses, each answered by the one who sends and waits, until there is a result.

A question that found no gateway comes back as the transport's error.
"""


def ask(question: Question, most_tries: int) -> Conversation[httpx2.Response]:
    """The answer to a question, over as many tries as it takes.

    Raises ApiProblem at a refusal, GatewaySilent where nothing answers.
    """
    for tried in range(1, most_tries + 1):
        is_last = tried == most_tries
        try:
            answer = yield question
        except httpx2.TransportError as error:
            if is_last or not _may_repeat(question, error):
                raise GatewaySilent(f"The gateway does not answer: {error!r}.") from error
            yield Pause(_backoff(tried))
            continue
        assert answer is not None  # noqa: S101 - a question is answered by a response
        if answer.is_success:
            return answer
        pause = _pause(answer, tried)
        if is_last or pause is None:
            raise ApiProblem.of(answer)
        yield Pause(pause)
    raise AssertionError("the last try ends it")


def _may_repeat(question: Question, error: httpx2.TransportError) -> bool:
    """Whether the question did not arrive, or may arrive twice."""
    return question.is_repeatable or isinstance(error, httpx2.ConnectError)


def _pause(answer: httpx2.Response, tried: int) -> float | None:
    """Seconds until the next try; None where another try would be refused too."""
    if answer.status_code not in LATER:
        return None
    asked_s = ApiProblem.of(answer).retry_after_s
    if asked_s is None:
        return _backoff(tried)
    return asked_s if asked_s <= LONGEST_WAIT_S else None


def _backoff(tried: int) -> float:
    """Twice as long each time, and not the same for all who were refused together."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tried - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
