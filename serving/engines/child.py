"""An engine process for one caller on this machine: started, asked, ended with the block.

It is the process that serves a version, with nothing in front of it: what is measured or embedded
here is what a client would get.
"""

import json
import resource
import secrets
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, TYPE_CHECKING, Any

from registry.names import Format
from registry.python import python_module
from serving.engines.config import EngineConfig
from serving.engines.pipes import last_words, pipes
from serving.engines.surroundings import engine_environment
from serving.errors import EngineFailed, ModelUnloadable

if TYPE_CHECKING:
    import httpx

COMMAND = python_module("serving.engines.server", "--config", "-")
START_S, ANSWER_S = 600.0, 600.0


@dataclass(frozen=True, slots=True)
class EngineChild:
    """A running engine; `load_s` seconds and `memory_bytes` are what loading took."""

    load_s: float
    memory_bytes: int
    http: "httpx.Client" = field(repr=False)

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The engine's answer; raises EngineFailed with its reason where it has none."""
        import httpx

        try:
            answer = self.http.post(path, json=body)
        except httpx.HTTPError as error:
            raise EngineFailed(
                f"The engine ended or did not answer ({type(error).__name__})."
            ) from error
        if answer.is_success:
            return answer.json()
        raise EngineFailed(f"The engine answered {answer.status_code}: {_reason(answer)}")

    @property
    def resident_bytes(self) -> int:
        """Memory it holds now."""
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
    """How to run a model file for one caller alone."""
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
def open_child(config: EngineConfig, *, memory_limit: int = 0) -> Generator[EngineChild]:
    """An engine that answers; with a limit, one that may have so many bytes of memory of its own.

    Raises ModelUnloadable with the engine's reason, or what its process ended with.
    """
    import httpx

    with (
        TemporaryFile() as said,
        subprocess.Popen(
            COMMAND,
            env=engine_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        try:
            if memory_limit:
                limits = memory_limit, memory_limit
                resource.prlimit(process.pid, resource.RLIMIT_DATA, limits)
            ready = _started(process, config, said)
            headers = {"Authorization": f"Bearer {config.internal_token}"}
            with httpx.Client(
                base_url=ready["url"], headers=headers, timeout=ANSWER_S, trust_env=False
            ) as http:
                yield EngineChild(ready["load_s"], ready["memory_bytes"], http)
        finally:
            process.kill()


def _started(
    process: subprocess.Popen[bytes], config: EngineConfig, said: IO[bytes]
) -> dict[str, Any]:
    """What the engine says when it is ready; one that takes too long is killed."""
    stdin, stdout = pipes(process)
    begun, patience = time.monotonic(), Timer(START_S, process.kill)
    patience.start()
    try:
        stdin.write(config.model_dump_json().encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        patience.cancel()
    if not line:
        raise ModelUnloadable(
            f"The engine of {config.model_name} ended with {process.wait()} before it was ready, "
            f"after {time.monotonic() - begun:.0f} s. Its last words: {last_words(said)}"
        )
    ready: dict[str, Any] = json.loads(line)
    if refused := ready.get("error"):
        raise ModelUnloadable(refused["message"], fix=refused["fix"])
    return ready


def _reason(answer: "httpx.Response") -> str:
    try:
        return str(answer.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
