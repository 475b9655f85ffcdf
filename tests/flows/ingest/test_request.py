"""An order says everything at once, and an impossible one is never made."""

import pytest

from modelyard.flows.errors import UnknownQuantization
from modelyard.flows.ingest.request import IngestRequest
from modelyard.registry.catalog.model import Visibility
from modelyard.registry.errors import InvalidName


def test_the_name_is_the_repository_s_unless_given() -> None:
    """So that people find a model under the name they know."""
    assert IngestRequest(repo="ada/m").model == "ada/m"
    assert IngestRequest(repo="ada/m", name="assistant").model == "assistant"


def test_types_are_spelled_one_way_and_once() -> None:
    """q8_0 and Q8_0 are the same version."""
    assert IngestRequest(repo="ada/m", quantize=("q8_0", "Q8_0", "Q4_K_M")).quantize == (
        "Q8_0",
        "Q4_K_M",
    )


def test_the_impossible_is_refused_when_it_is_made() -> None:
    """Before anything is asked of anybody."""
    with pytest.raises(UnknownQuantization):
        IngestRequest(repo="ada/m", quantize=("Q9",))
    with pytest.raises(InvalidName):
        IngestRequest(repo="ada/m", name="a b")


def test_the_asked_memory_wins_over_the_devices() -> None:
    """Also where it is less."""
    assert IngestRequest(repo="ada/m").wish(5).memory_bytes == 5
    assert IngestRequest(repo="ada/m", memory_gb=2).wish(5).memory_bytes == 2 * 10**9


def test_the_subject_is_a_short_line() -> None:
    """What the run board shows."""
    request = IngestRequest(
        repo="ada/m", file="*q8*", quantize=("Q4_0",), private=True, owner_id="1"
    )
    assert request.subject == "ada/m@main *q8* Q4_0"
    assert request.visibility is Visibility.PRIVATE


def test_a_model_is_called_as_the_hub_calls_its_repository() -> None:
    """The Hub takes a name in any case and knows one; a name of one's own stays."""
    assert IngestRequest(repo="ada/m").called("Ada/M").model == "Ada/M"
    assert IngestRequest(repo="ada/m", name="mine").called("Ada/M").model == "mine"
