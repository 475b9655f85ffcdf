"""A local engine process for one caller: started, queried, and stopped with the block.

It is the process that serves a version, with nothing in front of it: what it measures or embeds is
what a client would get.
"""

import json
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from modelyard.registry.catalog.model import Format
from modelyard.registry.process.python import python_module
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.child.memory_limit import limit_memory
from modelyard.serving.engines.child.pipes import last_words, patience, pipes
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.errors import EngineFailed, ModelUnloadable

if TYPE_CHECKING:
    import httpx2

COMMAND = python_module("modelyard.serving.engines.process.server", "--config", "-")
START_S = 600.0
ANSWER_S = 600.0
DYING_S = 10.0


class EngineEnded(ModelUnloadable):
    """An engine process ended before it was ready; the message says how."""

    code = "engine_crashed"


class EngineTooSlow(ModelUnloadable):
    """An engine was not ready in time and was stopped."""

    code = "engine_too_slow"


@dataclass(frozen=True, slots=True)
class EngineChild:
    """A running engine; loading took `load_s` seconds and `memory_bytes` bytes."""

    load_s: float
    memory_bytes: int
    http: "httpx2.Client" = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The engine's answer; raises EngineFailed with the reason if there is none."""
        import httpx2

        try:
            answer = self.http.post(path, json=body)
        except httpx2.TimeoutException as error:
            raise EngineFailed(f"The engine did not answer within {ANSWER_S:.0f} s.") from error
        except httpx2.HTTPError as error:
            raise self._broke_off(error) from error
        if answer.is_success:
            return answer.json()
        raise EngineFailed(f"The engine answered {answer.status_code}: {_reason(answer)}")

    def _broke_off(self, error: Exception) -> EngineFailed:
        """The error with how the process ended, perhaps shortly after its connections closed."""
        try:
            ended = ending(self.process.wait(DYING_S))
        except subprocess.TimeoutExpired:
            return EngineFailed(f"The engine broke off its answer ({error!r}).")
        return EngineFailed(f"The engine {ended} while it was asked.", fix=ended.fix)

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process in bytes."""
        return int(self.http.get("/state").json()["rss"])


def settings_for(  # noqa: PLR0913 - as many as an engine has
    path: Path,
    kind: Format,
    *,
    name: str,
    context_length: int = 0,
    threads: int = 0,
    options: dict[str, Any] | None = None,
) -> EngineConfig:
    """Settings to run a model file for a single caller."""
    return EngineConfig(
        version_id=name,
        model_name=name,
        format=kind,
        path=str(path),
        internal_token=secrets.token_urlsafe(24),
        context_length=context_length,
        threads=threads,
        options=options or {},
    )


@contextmanager
def open_child(
    config: EngineConfig, *, memory_limit: int = 0, start_s: float = START_S
) -> Generator[EngineChild]:
    """A ready engine; `memory_limit` caps its private memory in bytes, 0 means no cap.

    Raises ModelUnloadable with the engine's reason, EngineEnded or EngineTooSlow.
    """
    import httpx2

    with (
        TemporaryFile() as said,
        subprocess.Popen(
            COMMAND,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        try:
            if memory_limit:
                limit_memory(memory_limit, process.pid)
            ready = _started(process, config, said, start_s)
            headers = {"Authorization": f"Bearer {config.internal_token}"}
            with httpx2.Client(
                base_url=ready["url"], headers=headers, timeout=ANSWER_S, trust_env=False
            ) as http:
                yield EngineChild(ready["load_s"], ready["memory_bytes"], http, process)
        finally:
            process.kill()


def _started(
    process: subprocess.Popen[bytes], config: EngineConfig, said: IO[bytes], start_s: float
) -> dict[str, Any]:
    """The engine's ready line; kills the process after `start_s` seconds."""
    stdin, stdout = pipes(process)
    with patience(process, start_s) as over:
        try:
            stdin.write(config.model_dump_json().encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
    if not line:
        raise _never_ready(process, config.model_name, said, start_s if over.is_set() else None)
    ready: dict[str, Any] = json.loads(line)
    if refused := ready.get("error"):
        raise ModelUnloadable(refused["message"], fix=refused["fix"])
    return ready


def _never_ready(
    process: subprocess.Popen[bytes], name: str, said: IO[bytes], too_slow: float | None
) -> ModelUnloadable:
    code = process.wait()
    words = f"Its last words: {last_words(said)}"
    if too_slow is not None:
        return EngineTooSlow(
            f"The engine of {name} was not ready within {too_slow:.0f} s and was ended. {words}",
            fix="Try again when the machine has less to do.",
        )
    ended = ending(code)
    what = f"The engine of {name} {ended} before it was ready. {words}"
    return EngineEnded(what, fix=ended.fix)


def _reason(answer: "httpx2.Response") -> str:
    try:
        return str(answer.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
