"""Streams that nobody reads: their engines and others' first tokens do not wait for them."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.identity.caller import Role
from modelyard.serving.gateway.request import CLIENT_UNREAD
from tests.models.tiny import Tiny
from tests.serving.engines.processes import StartedEngine, engine_process
from tests.serving.installation import METRICS_TOKEN, TOKEN, Installation, open_installation, state
from tests.serving.processes import PATIENT, GatewayProcess, environment, gateway_process
from tests.serving.readers import StreamClient

pytestmark = pytest.mark.slow(seconds=90)

MANY = 40
SLOTS = 16
WORD = "x" * 20_000
WORDS = 200
"""Four megabytes: more than the sockets between a gateway and its client hold."""

LONG: dict[str, Any] = {"model": "talker", "prompt": "Say", "max_tokens": WORDS}
FAST = {"words": [WORD], "delay_s": 0.0}
WITHIN_S = 240.0


@dataclass(frozen=True, slots=True)
class TwoModels:
    """A gateway before one device that has `talker` and `other`; bob is a second user."""

    installation: Installation
    gateway: GatewayProcess
    engines: Mapping[str, StartedEngine]
    bob: str

    def unread(
        self, count: int, body: Mapping[str, Any] = LONG, path: str = "/v1/completions"
    ) -> list[StreamClient]:
        """So many of ada's requests; nothing of their answers is read."""
        url = self.gateway.url
        key = self.installation.ada
        return [StreamClient.ask(url, key, dict(body), path) for _ in range(count)]

    def first_word(self, model: str) -> None:
        """The second user asks, and hears it."""
        body = {"model": model, "prompt": "Say", "max_tokens": 1}
        with StreamClient.ask(self.gateway.url, self.bob, body) as reader:
            assert reader.finish(), reader.heard

    def once_idle(self, model: str = "talker") -> None:
        """Wait until its engine has nothing to do."""
        engine = self.engines[model]
        once(lambda: state(engine)["active"] + state(engine)["queued"] == 0)

    def rows(self) -> list[tuple[str, int]]:
        with self.installation.database.read() as session:
            order = UsageRow.status, UsageRow.output_tokens
            found = session.scalars(select(UsageRow).order_by(*order))
            return [(row.status, row.output_tokens) for row in found]

    def once_booked(self, count: int) -> list[tuple[str, int]]:
        once(lambda: len(self.rows()) >= count)
        return self.rows()


def once(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@contextmanager
def models(
    url: str,
    folder: Path,
    slots: int = SLOTS,
    *,
    engine: Mapping[str, Any] | None = None,
    **env: str,
) -> Generator[TwoModels]:
    """`engine`: how talker's is started; a mock of long words where nothing is said."""
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(url, folder))
        installation.identity.create_user("bob", Role.USER, "correct horse battery")
        bob = installation.identity.create_key("bob", "test")
        told = {f"MODELYARD_{name.upper()}": value for name, value in env.items()}
        installation.worker(slots=slots)

        def start(version: ModelVersion, **given: Any) -> StartedEngine:
            more = {"version_id": version.id, "model_name": version.model}
            started = engine_process(internal_token=TOKEN, **more, **given)
            running = stack.enter_context(started)
            installation.ready(version, running.url)
            return running

        engines = {
            "talker": start(
                installation.filled.add("talker"),
                **(engine or {"parallel": SLOTS, "options": FAST}),
            ),
            "other": start(installation.filled.add("other")),
        }
        surroundings = environment(folder, url) | PATIENT | told
        gateway = stack.enter_context(gateway_process(surroundings, folder))
        yield TwoModels(installation, gateway, engines, bob)


def test_streams_that_nobody_reads_hold_no_place(sqlite_url: str, tmp_path: Path) -> None:
    """Forty on a device with sixteen places: all are written, and others are answered meanwhile.

    Those who read late get every word.
    """
    with models(sqlite_url, tmp_path, unread_timeout_s="3600") as on:
        unread = on.unread(MANY)
        for model in ("talker", "other"):
            on.first_word(model)
        once(lambda: state(on.engines["talker"])["generated_tokens"] >= MANY * WORDS)
        on.once_idle()
        for model in ("talker", "other"):
            on.first_word(model)
        assert len(on.once_booked(4)) == 4  # of the unread none has ended
        for reader in unread:
            with reader:
                assert reader.finish()
                assert reader.events == WORDS
        rows = on.once_booked(4 + MANY)
        assert rows == [("200", 1)] * 4 + [("200", WORDS)] * MANY


@pytest.mark.parametrize("hedged", ["0", "60"])
def test_who_takes_nothing_is_cut_off_and_booked(
    sqlite_url: str, tmp_path: Path, hedged: str
) -> None:
    """For what was written, under a status of its own, streamed or whole; also where it hedges."""
    whole = {**LONG, "stream": False}
    with models(sqlite_url, tmp_path, unread_timeout_s="2", hedge_after_s=hedged) as on:
        unread = on.unread(3) + on.unread(2, whole)
        assert on.once_booked(5) == [(str(CLIENT_UNREAD), WORDS)] * 5
        for reader in unread:
            with reader:
                assert not reader.finish()


def test_an_engine_that_still_writes_is_stopped(sqlite_url: str, tmp_path: Path) -> None:
    """What goes on for ever ends too, and what was written until then is booked."""
    slow = {"parallel": SLOTS, "context_length": 10**6, "options": FAST | {"delay_s": 0.005}}
    with models(sqlite_url, tmp_path, engine=slow, unread_timeout_s="2") as on:
        (reader,) = on.unread(1, LONG | {"max_tokens": 500_000})
        ((status, tokens),) = on.once_booked(1)
        on.once_idle()
        reader.connection.close()
        assert status == str(CLIENT_UNREAD)
        assert WORDS / 2 < tokens < 500_000


def test_a_place_is_free_once_a_whole_answer_is_written(sqlite_url: str, tmp_path: Path) -> None:
    """An answer of megabytes waits for its client, and the only place does not."""
    with models(sqlite_url, tmp_path, slots=1, unread_timeout_s="3600") as on:
        (reader,) = on.unread(1, {**LONG, "stream": False})
        on.once_idle()
        for model in ("talker", "other"):
            on.first_word(model)
        assert len(on.once_booked(2)) == 2
        with reader:
            assert reader.until(b'"usage"')
            assert reader.heard.count(WORD.encode()) == WORDS
        assert on.once_booked(3)[-1] == ("200", WORDS)


def test_a_slow_reader_is_never_cut_off(sqlite_url: str, tmp_path: Path) -> None:
    """Some kilobytes a second are enough, whatever waits: it takes something all the time."""
    with models(sqlite_url, tmp_path, unread_timeout_s="4") as on:
        (reader,) = on.unread(1)
        on.once_idle()
        until = time.monotonic() + 12.0
        while time.monotonic() < until:
            assert reader.read(1024)
            time.sleep(0.1)
        with reader:
            assert reader.finish()
            assert reader.events == WORDS


def test_a_pause_below_the_limit_loses_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """Once and again: who goes on in time gets all that was written meanwhile."""
    with models(sqlite_url, tmp_path, unread_timeout_s="60") as on:
        (reader,) = on.unread(1)
        with reader:
            for words in (1, WORDS // 2, WORDS):
                once(lambda: state(on.engines["talker"])["generated_tokens"] == WORDS)
                time.sleep(2.0)
                while reader.events < words:
                    assert reader.read()
            assert reader.finish()
            assert reader.events == WORDS


def test_what_waits_is_bounded(sqlite_url: str, tmp_path: Path) -> None:
    """However many do not read: beyond the bound those who took nothing for longest are cut off."""
    most = 16 * 1024 * 1024
    wide = {"parallel": MANY, "options": FAST}
    told = {"unread_timeout_s": "3600", "unread_bytes": str(most)}
    with models(sqlite_url, tmp_path, slots=2 * MANY, engine=wide, **told) as on:
        on.first_word("talker")
        gateway = psutil.Process(on.gateway.process.pid)
        before = gateway.memory_info().rss
        largest = 0
        unread = on.unread(MANY)

        def has_ended_enough() -> bool:
            nonlocal largest
            largest = max(largest, gateway.memory_info().rss)
            return sum(status == str(CLIENT_UNREAD) for status, _ in on.rows()) >= MANY // 2

        once(has_ended_enough)
        on.once_idle()
        on.first_word("talker")
        # Each has up to half a MiB besides on its way from the engine, twice while it is passed on.
        assert largest - before < most + MANY * 2 * 1024 * 1024  # the answers have 160 MB
        for reader in unread:
            reader.connection.close()


def test_the_rows_of_the_access_log_say_so(sqlite_url: str, tmp_path: Path) -> None:
    """The log has the same status; the measures count it, not as a failure of the device."""
    log = tmp_path / "access.jsonl"
    with models(sqlite_url, tmp_path, unread_timeout_s="1", access_log=str(log)) as on:
        (reader,) = on.unread(1)
        on.once_booked(1)
        reader.connection.close()
        (line,) = log.read_text().splitlines()
        assert json.loads(line)["status"] == str(CLIENT_UNREAD)
        with on.gateway.http(METRICS_TOKEN) as http:
            assert f'status="{CLIENT_UNREAD}"' in http.get("/metrics").text


def test_streams_of_a_real_model(sqlite_url: str, tmp_path: Path) -> None:
    """Two choices with all their logprobs each: the engine's two places are others' again."""
    file = Tiny(endless=True).write(tmp_path / "endless.gguf")
    real = {"format": "gguf", "path": str(file), "context_length": 1500, "parallel": 2}
    messages = [{"role": "user", "content": "Say"}]
    body = {"model": "talker", "messages": messages, "max_tokens": 1400, "n": 2}
    body |= {"logprobs": True, "top_logprobs": 20}
    with models(sqlite_url, tmp_path, slots=2, engine=real, unread_timeout_s="3600") as on:
        unread = on.unread(3, body, "/v1/chat/completions")
        on.first_word("other")
        on.first_word("talker")
        on.once_idle()
        for reader in unread:
            with reader:
                assert reader.finish()
                assert reader.heard.count(b'"finish_reason":"length"') == 2
        assert on.once_booked(5)[-3:] == [("200", 2800)] * 3
