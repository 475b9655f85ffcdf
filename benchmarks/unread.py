"""What streams that nobody reads cost others: the first tokens of other users' requests.

`python -m benchmarks.unread [--pairs 4] [--requests 60]`: a gateway and one device with sixteen
places. In turns, forty clients of one user ask for long answers and read nothing, or there are
none; meanwhile another user asks for short answers of the same model and of another, one after the
other. Once the forty answers are written they wait in the gateway (4 MB each); answers of 20 MB are
more than it keeps for one client, and hold their engine back until the client is cut off.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import aiohttp

from benchmarks.installation import BenchInstallation, running_installation
from benchmarks.routing.report import quantile

MANY = 40
WORD = "x" * 20_000
MODELS = {
    "talker": {"words": [WORD], "prefill_s": 0.05, "delay_s": 0.0},
    "other": {"prefill_s": 0.05, "delay_s": 0.0},
}
WRITTEN = 200
HELD = 1000
"""Words of an answer that the gateway takes whole, and of one that it does not."""

SETTLES_S = {WRITTEN: 10.0, HELD: 2.0}
BAR = 1.10
"""Others' first tokens may take so many times as long (p50 and p95)."""

ENDS_WITHIN_S = 30.0


async def measure(installation: BenchInstallation, words: int, requests: int) -> list[float]:
    """First tokens in ms, beside forty unread answers of so many words; none where 0."""
    unread = [await _unread(installation, words) for _ in range(MANY if words else 0)]
    await asyncio.sleep(SETTLES_S.get(words, 0.0))
    headers = {"Authorization": f"Bearer {installation.bob}"}
    async with aiohttp.ClientSession(installation.url, headers=headers) as session:
        took = [await _first_token(session, ("talker", "other")[n % 2]) for n in range(requests)]
    for writer in unread:
        writer.transport.abort()
    await asyncio.sleep(2.0 if unread else 0.0)
    return took


async def _unread(installation: BenchInstallation, words: int) -> asyncio.StreamWriter:
    host, port = installation.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    body = f'{{"model":"talker","prompt":"Say","stream":true,"max_tokens":{words}}}'
    writer.write(
        f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {installation.key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await reader.read(1)  # it has begun, or waits for a place: the head comes at once
    return writer


async def _first_token(session: aiohttp.ClientSession, model: str) -> float:
    body = {"model": model, "prompt": "Say", "max_tokens": 1, "stream": True}
    began = time.perf_counter()
    async with session.post("/v1/completions", json=body) as answer:
        await answer.content.readuntil(b"\n\n")
        took = (time.perf_counter() - began) * 1000
        await answer.read()
        answer.raise_for_status()
    return took


async def compare(installation: BenchInstallation, pairs: int, requests: int) -> bool:
    """Print the pairs' first tokens; whether both kinds stay within the bar."""
    found = dict[int, list[float]]()
    for _ in range(pairs):
        for words in (0, WRITTEN, 0, HELD):
            found.setdefault(words, []).extend(await measure(installation, words, requests))
    print(f"{MANY} unread answers of{'':14}first token p50, p95 ms{'':6}ratios (bar {BAR})")
    holds = True
    for words in (0, WRITTEN, HELD):
        p50, p95 = (quantile(found[words], share) for share in (0.5, 0.95))
        ratios = [p50 / quantile(found[0], 0.5), p95 / quantile(found[0], 0.95)]
        holds &= max(ratios) <= BAR
        name = f"{words * len(WORD) / 1e6:.0f} MB" if words else "none"
        print(f"{name:>32}{p50:>16.1f}, {p95:.1f}{ratios[0]:>14.3f}, {ratios[1]:.3f}")
    return holds


async def ends(installation: BenchInstallation) -> float:
    """Seconds that the gateway takes to end by SIGTERM while forty answers are unread."""
    unread = [await _unread(installation, WRITTEN) for _ in range(MANY)]
    await asyncio.sleep(SETTLES_S[WRITTEN])
    began = time.monotonic()
    os.kill(installation.gateway.pid, signal.SIGTERM)
    await asyncio.to_thread(installation.gateway.wait, 120)
    took = time.monotonic() - began
    for writer in unread:
        writer.transport.abort()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.unread", description=__doc__)
    parser.add_argument("--pairs", type=int, default=4, help="times with and without")
    parser.add_argument("--requests", type=int, default=60, help="first tokens each time")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        installation = running_installation(stack, folder, MODELS, ["a"])
        holds = asyncio.run(compare(installation, given.pairs, given.requests))
        took = asyncio.run(ends(installation))
    print(f"\nended by SIGTERM beside them in {took:.1f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
