"""On a new installation every page says what to do first."""

from collections.abc import Callable
from types import ModuleType

from streamlit.testing.v1 import AppTest

from modelyard.dashboard.pages import devices, models, requests, runs

Draw = Callable[[ModuleType], AppTest]


def test_without_a_worker_the_page_tells_how_to_start_one(draw: Draw) -> None:
    """No device is no error."""
    assert "`modelyard worker --device cpu-0`" in draw(devices).info[0].value


def test_without_a_model_the_page_tells_the_exact_command(draw: Draw) -> None:
    """The command can be copied as it stands."""
    command = draw(models).code[0].value
    assert command == "modelyard models add Qwen/Qwen2.5-0.5B-Instruct-GGUF --file '*q8_0.gguf'"


def test_without_a_run_the_page_tells_what_makes_one(draw: Draw) -> None:
    """Nothing has run yet, and that is said."""
    assert "`modelyard models add OWNER/NAME`" in draw(runs).info[0].value


def test_without_a_request_the_page_says_so(draw: Draw) -> None:
    """Nothing waits, and nothing was ever handed in."""
    said = [caption.value for caption in draw(requests).caption]
    assert said == ["Nothing waits.", "There is no request of that kind."]


def test_every_page_says_who_is_looking(draw: Draw) -> None:
    """Name and role stand at the top, with the way out beside them."""
    page = draw(devices)
    assert page.markdown[0].value == "**admin** :gray-badge[admin]"
    [way_out] = [html for html in page.get("html") if "Log out" in html.proto.body]
    assert 'href="/logout"' in way_out.proto.body
