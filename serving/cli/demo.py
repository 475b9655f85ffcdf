"""The demo: the bundled model through the whole flow, then its first streamed answer."""

import asyncio
import os
import signal
from collections.abc import Mapping

from registry.console import out
from registry.errors import ModelyardError
from serving.cli.services import Ports, modelyard
from serving.cli.supervise import STOP_S, end_group
from serving.engines.ending import ending
from serving.orphans import die_with_parent

REPO = "modelyard/tiny-shakespeare-GGUF"
QUESTION = "What news from the king?"


class DemoFailed(ModelyardError):
    """A step of the demo ended with an error; its own words are above."""

    code = "demo_failed"
    exit_code = 10


async def ingest_and_ask(ports: Ports, env: Mapping[str, str]) -> str:
    """Take the bundled model from its Hub to a streamed answer; returns the name to ask for."""
    surroundings = {
        **os.environ,
        **env,
        "HF_ENDPOINT": ports.hub_url,
        "PREFECT_API_URL": ports.prefect_url,
        "MODELYARD_GATEWAY_URL": ports.gateway_url,
    }
    await _step(surroundings, "models", "add", REPO, "--quantize", "Q8_0")
    out.print(f"\n[bold]{QUESTION}[/bold]")
    await _step(surroundings, "chat", REPO, QUESTION, "--temperature", "0.8", "--max-tokens", "160")
    return REPO


async def _step(env: dict[str, str], *arguments: str) -> None:
    """Run one command as a person would, on this terminal; a cancelled one is ended first."""
    child = await asyncio.create_subprocess_exec(
        *modelyard(*arguments), env=env, start_new_session=True, preexec_fn=die_with_parent
    )
    try:
        code = await child.wait()
    except asyncio.CancelledError:
        end_group(child, signal.SIGTERM)
        await asyncio.wait([asyncio.create_task(child.wait())], timeout=STOP_S)
        end_group(child, signal.SIGKILL)
        raise
    if code:
        ended = ending(code)
        raise DemoFailed(f"`modelyard {' '.join(arguments[:3])}` {ended}.", fix=ended.fix)
