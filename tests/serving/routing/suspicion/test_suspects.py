"""What is remembered of requests that may end engines, and of which others they are the like."""

import json

import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.errors import RequestEndsEngines
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.suspicion.suspects import MOST, MOST_S, REMEMBERED_S, Case, Suspects
from tests.serving.installation import Installation

PATH = "/v1/chat/completions"
BODY = {"model": "talker", "messages": [{"role": "user", "content": "Say"}], "max_tokens": 4}


@pytest.fixture
def version(installation: Installation) -> ModelVersion:
    return installation.filled.add("talker")


def case(suspects: Suspects, version: ModelVersion, path: str = PATH, **fields: object) -> Case:
    body = json.dumps(BODY | fields).encode()
    return suspects.case(version, RoutedRequest("r", "ada"), path, body)


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": True, "stream_options": {"include_usage": True}},
        {"model": "talker@1"},
        {"user": "somebody"},
        {"metadata": {"attempt": 2}},
    ],
)
def test_the_like_of_a_request_is_known(version: ModelVersion, fields: dict[str, object]) -> None:
    """Streamed or not, by another alias, in another order and with other spaces."""
    suspects = Suspects()
    first = case(suspects, version)
    mixed = json.dumps(dict(reversed((BODY | fields).items())), indent=3).encode()
    assert suspects.case(version, RoutedRequest("s", "eve"), PATH, mixed).digest == first.digest


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (PATH, {"max_tokens": 5}),
        (PATH, {"model": "talker+poet"}),
        (PATH, {"messages": [{"role": "user", "content": "Say it"}]}),
        ("/v1/completions", {}),
    ],
)
def test_another_request_is_another(
    version: ModelVersion, path: str, fields: dict[str, object]
) -> None:
    """What an engine is asked for differently, be it for another adapter, is not the same."""
    suspects = Suspects()
    other = case(suspects, version, path, **fields)
    assert other.digest != case(suspects, version).digest


def test_nothing_can_be_read_from_a_digest(version: ModelVersion) -> None:
    """Each process has a key of its own."""
    assert case(Suspects(), version).digest != case(Suspects(), version).digest


def test_what_is_no_json_object_has_a_digest_too(version: ModelVersion) -> None:
    """Numbers out of range and deep lists are the engine's to refuse."""
    suspects = Suspects()
    for body in (b'{"a":1e400}', b"[" * 5000 + b"]" * 5000, b"\xff"):
        assert suspects.case(version, RoutedRequest("r", "ada"), PATH, body).digest


def test_a_refusal_ends_after_its_time_and_not_by_what_is_suspected(version: ModelVersion) -> None:
    """Five minutes; neither a suspicion nor its end shortens them."""
    suspects = Suspects()
    guilty = case(suspects, version)
    suspects.refuse(guilty, 0.0)
    suspects.watch(guilty, 1.0)
    suspects.clear(guilty)
    with pytest.raises(RequestEndsEngines, match="not tried again for 1 s"):
        suspects.recall(guilty.digest, REMEMBERED_S - 1)
    assert suspects.recall(guilty.digest, REMEMBERED_S) is None
    assert not suspects


def test_a_suspicion_ends_as_the_like_of_it_is_cleared(version: ModelVersion) -> None:
    """How long an engine had it is remembered: for so long it has to be alone."""
    suspects = Suspects()
    broken = case(suspects, version)
    broken.age_s = 2.5
    broken.began = True
    suspects.watch(broken, 0.0)
    known = suspects.recall(case(suspects, version, stream=True).digest, 1.0)
    assert known is not None
    assert (known.age_s, known.began, broken.alone_s) == (2.5, True, 6.0)
    suspects.clear(case(suspects, version))
    assert suspects.recall(broken.digest, 1.0) is None


def test_nobody_is_alone_for_long(version: ModelVersion) -> None:
    """Whatever it had been at for an hour is not tried alone for an hour."""
    suspect = case(Suspects(), version)
    suspect.age_s = 3600.0
    assert suspect.alone_s == MOST_S


def test_so_many_are_remembered_and_no_more(version: ModelVersion) -> None:
    """Those known the longest are forgotten first."""
    suspects = Suspects()
    known = [case(suspects, version, seed=n) for n in range(MOST + 5)]
    for one in known:
        suspects.refuse(one, 0.0)
    assert len(suspects) == MOST
    assert suspects.recall(known[4].digest, 1.0) is None
    with pytest.raises(RequestEndsEngines):
        suspects.recall(known[5].digest, 1.0)
