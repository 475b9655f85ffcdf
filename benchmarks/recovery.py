"""How soon answers are as fast as before once a worker is killed under load.

`python -m benchmarks.recovery [--seconds 30] [--rate 12]`: a gateway and three workers, each with a
mock engine of four places; streams begin at a steady rate, and after a third of the time one worker
is ended by SIGKILL, its engine with it. For every second it prints how many streams began, how many
of them broke, and how long their first tokens and their ends took.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.installation import BenchInstallation, running_installation
from benchmarks.routing.report import quantile

NODES = ("a", "b", "c")
ENGINE = {"prefill_s": 0.05, "delay_s": 0.02}
BODY = {"model": "talker", "prompt": "Say", "max_tokens": 16, "stream": True}
BAR_S = 5.0
AS_BEFORE = 1.25
"""Within so many seconds first tokens come as before: at most so many times as long (p99)."""


@dataclass(frozen=True, slots=True)
class RecoveredStream:
    """One answer; times in seconds, `begun` from the kill on."""

    begun: float
    first_s: float
    took_s: float
    whole: bool


async def load(
    installation: BenchInstallation, seconds: float, rate: float
) -> list[RecoveredStream]:
    """Streams at a steady rate, whatever becomes of those before; the kill comes after a third."""
    began = time.monotonic()
    killed_after = seconds / 3
    headers = {"Authorization": f"Bearer {installation.key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(installation.url, headers=headers, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        asyncio.get_running_loop().call_later(killed_after, installation.workers[NODES[0]].kill)
        asked = list[asyncio.Task[RecoveredStream]]()
        for number in range(int(seconds * rate)):
            await asyncio.sleep(began + number / rate - time.monotonic())
            asked.append(group.create_task(_ask(session, began + killed_after)))
    return [task.result() for task in asked]


async def _ask(session: aiohttp.ClientSession, killed_at: float) -> RecoveredStream:
    begun = time.monotonic()
    first = 0.0
    rest = b""
    whole = False
    with suppress(aiohttp.ClientError):  # a connection that breaks is a stream that broke
        async with session.post("/v1/completions", json=BODY) as answer:
            async for part in answer.content.iter_any():
                first = first or time.monotonic()
                rest = (rest + part)[-64:]
        whole = answer.status == 200 and rest.endswith(b"data: [DONE]\n\n")
    over = time.monotonic()
    return RecoveredStream(begun - killed_at, (first or over) - begun, over - begun, whole)


def report(streams: list[RecoveredStream]) -> bool:
    """Print what came of each second; whether first tokens were as before within the bar."""
    before = [s for s in streams if s.begun < -1]
    usual = quantile([s.first_s for s in before], 0.99)
    print(f"{'second':>8}{'began':>7}{'broke':>7}{'first token p50, p99 ms':>26}{'end p99 ms':>12}")
    print(_row("before", before))
    after = {int(s.begun) for s in streams if s.begun >= 0}
    late = [second for second in after if _first_p99(streams, second) > usual * AS_BEFORE]
    for second in [-1, *sorted(after)]:
        print(_row(str(second), _in(streams, second)))
    back_s = max(late, default=-1) + 1
    broke = [s for s in streams if not s.whole]
    own = all(s.begun < 0 for s in broke)
    print(f"\n{len(broke)} of {len(streams)} streams broke, all begun before the kill: {own}")
    print(f"first tokens as before from second {back_s} on (bar: {BAR_S:.0f})")
    return back_s <= BAR_S and own


def _in(streams: list[RecoveredStream], second: int) -> list[RecoveredStream]:
    return [s for s in streams if second <= s.begun < second + 1]


def _first_p99(streams: list[RecoveredStream], second: int) -> float:
    return quantile([s.first_s for s in _in(streams, second)], 0.99)


def _row(name: str, streams: list[RecoveredStream]) -> str:
    first = [s.first_s * 1000 for s in streams]
    broke = sum(not s.whole for s in streams)
    end = quantile([s.took_s * 1000 for s in streams], 0.99)
    shown = f"{quantile(first, 0.5):.0f}, {quantile(first, 0.99):.0f}"
    return f"{name:>8}{len(streams):>7}{broke:>7}{shown:>26}{end:>12.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.recovery", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long streams begin")
    parser.add_argument("--rate", type=float, default=12.0, help="streams a second")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        installation = running_installation(stack, folder, {"talker": ENGINE}, NODES)
        streams = asyncio.run(load(installation, given.seconds, given.rate))
    return 0 if report(streams) else 1


if __name__ == "__main__":
    sys.exit(main())
