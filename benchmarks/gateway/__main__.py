"""`python -m benchmarks.gateway [--quick] [--against WHEEL]`: the load table, and the bars.

The gateway that is measured runs on one core, backend and clients on another. All contestants
run at the same time and are loaded in turn, so that what else the machine does meets all alike;
the medians of the rounds are printed. CPU is that of the whole process tree.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.gateway.client import Found, GatewayLoad
from benchmarks.gateway.compiled import compiled, unpacked
from benchmarks.gateway.contestants import LOAD_CORE, Contestant, Field, backend
from benchmarks.gateway.litellm import LiteLLM
from benchmarks.gateway.report import BEFORE, BEFORE_REDIS, GatewayReport

CACHE = Path("~/.cache/modelyard-benchmarks").expanduser()


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """How long and how often."""

    rounds: int = 3
    seconds: float = 4.0
    streams: int = 1000
    at_once: int = 1000


QUICK = GatewayPlan(rounds=1, seconds=1.5, streams=200, at_once=200)


def load(who: Contestant, **what: object) -> Found:
    ask = msgspec.convert({"url": who.url, "pid": who.pid, "key": who.key, **what}, GatewayLoad)
    run = subprocess.run(
        ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "benchmarks.gateway.client"],
        input=msgspec.json.encode(ask) + b"\n",
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(run.stdout, type=Found)


@dataclass(slots=True)
class Table:
    """Everything that was found, by what was done and by whom."""

    plan: GatewayPlan
    whole: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])
    events: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])
    slow: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])
    at_once: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])

    def measure(self, everybody: list[Contestant]) -> None:
        plan = self.plan
        for _ in range(plan.rounds):
            for who in everybody:
                found = load(who, clients=32, seconds=plan.seconds)
                self._keep(self.whole, who, found)
            for who in everybody:
                found = load(who, clients=32, seconds=plan.seconds, model="mock-c32", stream=True)
                self._keep(self.events, who, found)
        for who in everybody:
            rounds = 1 if "LiteLLM" in who.name else min(plan.rounds, 3)
            for _ in range(rounds):
                self._keep(self.slow, who, self._slow(who))
                self._keep(self.at_once, who, self._at_once(who))

    def _slow(self, who: Contestant) -> Found:
        return load(
            who,
            clients=self.plan.streams,
            seconds=40.0,
            model="mock-c100-d50",
            stream=True,
            once=True,
            ramp_s=1.0,
        )

    def _at_once(self, who: Contestant) -> Found:
        return load(who, clients=self.plan.at_once, seconds=60.0, model="mock-w500", once=True)

    def _keep(self, where: dict[str, list[Found]], who: Contestant, found: Found) -> None:
        where.setdefault(who.name, []).append(found)
        print(".", end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--json", type=Path, help="write everything that was found")
    parser.add_argument("--without-litellm", action="store_true", help="install nothing")
    parser.add_argument("--against", type=Path, metavar="WHEEL", help="an older one")
    parser.add_argument("--litellm", type=Path, default=CACHE / "litellm", help="its environment")
    given = parser.parse_args()
    litellm = None if given.without_litellm else LiteLLM.install(given.litellm)
    table = Table(QUICK if given.quick else GatewayPlan())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        field = Field(stack, stack.enter_context(backend()), folder)
        redis = field.redis()
        modules = compiled(folder)
        everybody = [
            field.ours("ours", modules=modules),
            field.ours("ours + Redis", redis, modules=modules),
            field.ours("ours, not compiled"),
            field.proxy("bare", "ours without policy", modules=modules),
            field.proxy("fastapi", "FastAPI + aiohttp"),
        ]
        if given.against:
            before = unpacked(given.against, folder / "before")
            everybody.append(field.ours(BEFORE, modules=before))
            everybody.append(field.ours(BEFORE_REDIS, redis, modules=before))
        if litellm:
            everybody.append(field.litellm(litellm, "LiteLLM"))
            everybody.append(field.litellm(litellm, "LiteLLM + Redis", redis))
        table.measure(everybody)
    report = GatewayReport(table.whole, table.events, table.slow, table.at_once)
    report.print(f"LiteLLM {litellm.version}" if litellm else "without LiteLLM")
    if given.json:
        given.json.write_bytes(msgspec.json.encode(report))
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
