"""A question is repeated exactly where a repetition may help and can do no harm."""

from collections.abc import Mapping

import httpx2
import pytest

from modelyard.serving.client.asking import Conversation, Pause, Question, ask
from modelyard.serving.client.problem import ApiProblem, GatewaySilent

READ = Question(method="GET", path="/api/v1/requests")
ONCE = Question(method="POST", path="/v1/batches", is_repeatable=False)


def answer(status: int, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    body = {"code": "busy", "detail": "Not now.", "fix": "Come again."}
    return httpx2.Response(status, headers=headers, json=body)


def test_a_refusal_that_says_later_is_asked_again_then() -> None:
    """After the seconds of Retry-After, and at most as often as was said."""
    asking = ask(READ, 2)
    assert next(asking) is READ
    assert asking.send(answer(429, {"Retry-After": "3"})) == Pause(3.0)
    assert asking.send(None) is READ
    with pytest.raises(ApiProblem) as told:
        asking.send(answer(503, {"Retry-After": "7"}))
    assert (told.value.status, told.value.code, told.value.retry_after_s) == (503, "busy", 7.0)
    assert str(told.value) == "Not now. Come again."


@pytest.mark.parametrize(
    "refused", [answer(400), answer(404), answer(429, {"Retry-After": "3600"})]
)
def test_what_would_be_refused_again_is_not_repeated(refused: httpx2.Response) -> None:
    """Nor what a program would wait too long for."""
    asking = ask(READ, 5)
    next(asking)
    with pytest.raises(ApiProblem):
        asking.send(refused)


def test_a_broken_connection_is_repeated_where_that_does_nothing_twice() -> None:
    """What may have arrived is asked again only if it may arrive twice."""
    asking = ask(READ, 2)
    next(asking)
    assert isinstance(asking.throw(httpx2.ReadError("broken")), Pause)
    once = ask(ONCE, 2)
    next(once)
    with pytest.raises(GatewaySilent):
        once.throw(httpx2.ReadError("broken"))


def test_who_found_nobody_asks_again() -> None:
    """Nothing has arrived; in the end it is said that nobody answers."""
    asking = ask(ONCE, 2)
    next(asking)
    pause = asking.throw(httpx2.ConnectError("nobody"))
    assert isinstance(pause, Pause)
    assert 0 < pause.seconds < 1
    assert asking.send(None) is ONCE
    with pytest.raises(GatewaySilent, match="nobody"):
        asking.throw(httpx2.ConnectError("nobody"))


def test_an_answer_ends_it() -> None:
    """With the answer itself."""
    asking: Conversation[httpx2.Response] = ask(READ, 1)
    next(asking)
    good = httpx2.Response(200, json={})
    with pytest.raises(StopIteration) as end:
        asking.send(good)
    assert end.value.value is good


def test_a_refusal_without_a_document_is_one_all_the_same() -> None:
    """As of a proxy in between; and OpenAI's form is read too."""
    plain = ApiProblem.of(httpx2.Response(502, text="<html>"))
    assert plain.message == "The gateway answered 502 Bad Gateway."
    told = {"error": {"message": "No.", "code": "model_not_found"}}
    openai = ApiProblem.of(httpx2.Response(404, json=told))
    assert (openai.code, openai.message) == ("model_not_found", "No.")
