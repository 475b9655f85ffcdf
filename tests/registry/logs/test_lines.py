"""A log line tells what happened, in one line, and nothing that somebody sent."""

import io
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.database import Database
from modelyard.registry.logs import logger, set_up
from modelyard.registry.logs.lines import LINES, VALUE_CHARACTERS, Lines
from modelyard.registry.logs.repeats import Repeats
from modelyard.registry.logs.set_up import LineHandler

SECRETS = {
    "a key of ours": "my_" + "Ab3-_" * 8,
    "a key of OpenAI's": "sk-proj-abcdefghijklmnop",
    "a token of the Hub": "hf_abcdefghijklmnop",
    "a session": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef-_",
    "a header": "Authorization: Bearer abcdef0123456789",
    "a header as JSON": '{"authorization": "Bearer abcdef0123456789"}',
    "basic": "Basic dXNlcjpwYXNzd29yZA==",
    "a password in an address": "postgresql+psycopg://user:abcdef@host/db",
    "a password": "password=abcdef0123456789",
    "an api key": "api_key: 'abcdef0123456789'",
}


class Speechless(Exception):
    """Breaks where one asks what it is."""

    def __str__(self) -> str:
        raise ValueError("no")


HARMLESS = (
    "tokens=5",
    "my_model",
    "the token is",
    "http://host:80/path",
    "sk-1",
    "key of ada",
    "HF_ENDPOINT",
)


@dataclass(slots=True)
class Said:
    """What went to standard error until now."""

    captured: pytest.CaptureFixture[str]
    text: str = ""

    def getvalue(self) -> str:
        self.text += self.captured.readouterr().err
        return self.text


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.setattr(LINES, "repeats", Repeats())  # what other tests wrote is no repetition
    return Said(capsys)


@pytest.fixture
def _as_before() -> Generator[None]:
    """Nothing of what a process sets up stays for other tests."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    level = root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    set_up()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


def only(stream: Said) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    return dict(json.loads(line))


def broken(secret: str, depth: int = 3) -> None:
    """Goes down some frames, each with a local variable that nobody may see."""
    prompt = f"tell me about {secret} please, at length: " + "and so on " * 50
    if depth:
        broken(secret, depth - 1)
    else:
        raise ValueError(f"cannot read {prompt!r}")


def test_an_exception_is_one_line_without_values(said: Said) -> None:
    """Type and places; neither local variables nor what stands between quotes."""
    try:
        broken("Rumpelstiltskin")
    except ValueError:
        logger("here").exception("it broke", request_id="r1")
    line = only(said)
    assert (line["event"], line["request_id"], line["level"]) == ("it broke", "r1", "error")
    assert line["error"].startswith("ValueError: cannot read '…' (")
    assert line["at"].count(" broken") == 4
    assert "Rumpelstiltskin" not in said.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_hidden(said: Said, form: Any, name: str) -> None:
    """Wherever they stand: in the event, in a value, in an exception, in a library's line."""
    text = SECRETS[name]
    lines = Lines(form)
    lines.write("here", "info", f"got {text}", {"value": text, "list": [text]})
    lines.write("here", "error", "it broke", {"exc_info": RuntimeError(text)})
    lines.write("here", "error", "it broke", {"exc_info": RuntimeError(f"for {text!r}")})
    assert len(said.getvalue().splitlines()) == 3
    for secret in ("Ab3-_Ab3", "abcdef", "eyJzdWI", "dXNlcj"):
        assert secret not in said.getvalue()
    assert "[hidden]" in said.getvalue()


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_told(said: Said, text: str) -> None:
    """A log that hides everything helps nobody."""
    logger("here").info("it is", value=text, tokens=5)
    line = only(said)
    assert (line["value"], line["tokens"]) == (text, 5)


def test_what_stands_behind_a_secret_s_name_is_hidden(said: Said) -> None:
    """Whatever its form."""
    logger("here").info("it is", password="x", api_key="y", token="z")
    assert only(said) | {"password": "[hidden]", "api_key": "[hidden]", "token": "[hidden]"} == (
        json.loads(said.getvalue())
    )


def test_a_line_is_bounded(said: Said) -> None:
    """However much there is to tell, and of whatever kind."""
    values = {f"value{number}": "x" * 10_000_000 for number in range(100)}
    logger("here").info("x" * 10_000_000, **values, number=10**5000, data=b"x" * 10_000_000)
    assert len(said.getvalue()) < 40 * VALUE_CHARACTERS


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x" * 10_000_000),
        KeyError("x" * 10_000_000),
        ValueError(b"x" * 10_000_000, ["x" * 10_000_000]),
        UnicodeDecodeError("utf-8", b"\xff" * 10_000_000, 0, 1, "invalid"),
        ExceptionGroup("many", [ValueError("x" * 1_000_000)] * 100),
        OSError(28, "No space", "x" * 10_000_000),
        OverflowError(10**5000),
        Speechless(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_exception_holds_is_not_written_out(said: Said, error: Exception) -> None:
    """A body may be among it."""
    logger("here").error("it broke", exc_info=error)
    assert len(said.getvalue()) < 3000
    assert type(error).__name__ in only(said)["error"]


def test_a_line_has_no_breaks_of_others(said: Said) -> None:
    """Nobody writes a second line into the log."""
    odd = 'a\nb\r\n{"level": "info"}\x1b[31m\u2028'
    Lines("console").write("here", "info", odd, {"value": odd, "exc_info": ValueError(odd)})
    Lines("json").write("here", "info", odd, {"value": odd})
    assert said.getvalue().count("\n") == 2
    assert "\x1b" not in said.getvalue()


def test_causes_are_told(said: Said) -> None:
    """What it came of, and where that was."""
    try:
        try:
            broken("x")
        except ValueError as error:
            raise RuntimeError("no answer") from error
    except RuntimeError:
        logger("here").exception("it broke")
    assert only(said)["because"].startswith("ValueError: cannot read '…'")


def test_the_way_through_our_own_rooms_is_told(said: Said, sqlite_url: str) -> None:
    """Where it broke, and which of us called; frames of libraries between are many."""
    database = Database.connect(sqlite_url)
    with pytest.raises(OverflowError) as raised:
        Catalog(database).find(ModelRef("model", number=10**20))
    database.close()
    logger("here").error("it broke", exc_info=raised.value)
    places = only(said)["at"].split(" < ")
    assert places[0].startswith("sqlalchemy/")
    assert re.fullmatch(r"registry/catalog/catalog\.py:\d+ find", places[1])


def test_a_burst_is_a_few_lines_and_a_count(said: Said) -> None:
    """Whatever differs in it is no new kind: ids, numbers, what the exception says."""
    now = [0.0]
    lines = Lines("json", repeats=Repeats(burst=5, window_s=60, clock=lambda: now[0]))
    for number in range(1000):
        error = ValueError(f"number {number}")
        lines.write("here", "error", "it broke", {"exc_info": error, "request_id": str(number)})
        lines.write("here", "info", "another", {"count": number})
    assert len(said.getvalue().splitlines()) == 10
    now[0] = 61.0
    lines.write("here", "info", "another", {"count": 1})
    assert json.loads(said.getvalue().splitlines()[-1])["left_out"] == 995


def test_no_variety_writes_without_a_bound(said: Said) -> None:
    """Kinds beyond those that can be told apart count as one."""
    lines = Lines("json", repeats=Repeats(burst=5, kinds=10, clock=lambda: 0.0))
    for number in range(1000):
        lines.write("here", "info", f"kind {number}", {})
    assert len(said.getvalue().splitlines()) == 15


def test_the_level_holds(said: Said) -> None:
    """What is below it is not written."""
    lines = Lines("json", "warning")
    lines.write("here", "info", "no", {})
    lines.write("here", "warning", "yes", {})
    assert only(said)["event"] == "yes"


@pytest.mark.usefixtures("_as_before")
def test_libraries_lines_are_like_our_own(said: Said) -> None:
    """What goes through `logging`: warnings and worse, in our form, exceptions in a line."""
    set_up("json")
    log = logging.getLogger("some.library")
    log.info("no")
    with suppress(ValueError):
        try:
            broken("x")
        except ValueError:
            log.exception("for %s\n", "my_" + "a" * 20)
            raise
    line = only(said)
    assert (line["logger"], line["event"]) == ("some.library", "for [hidden]")
    assert line["error"].startswith("ValueError")


@pytest.mark.usefixtures("_as_before")
def test_setting_up_twice_writes_once(said: Said) -> None:
    """As where one command runs another."""
    set_up("json")
    set_up("json")
    assert [type(handler) for handler in logging.getLogger().handlers] == [LineHandler]
    logging.getLogger("some.library").warning("once")
    only(said)


UNCAUGHT = """
import threading
from modelyard.registry.logs import set_up
set_up("json")
def breaks(secret): raise ValueError("no")
thread = threading.Thread(target=breaks, args=("Rumpelstiltskin",))
thread.start()
thread.join()
breaks("Rumpelstiltskin")
"""


def test_what_nobody_catches_is_told_in_a_line() -> None:
    """In a thread, and where the process ends by it."""
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["a thread broke", "the process broke"]
    assert "Rumpelstiltskin" not in ended.stderr


def test_a_log_that_cannot_be_written_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, or a reader who has gone."""

    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    logger("here").info("unheard")
