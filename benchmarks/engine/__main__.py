"""Our GGUF engine against llama-server, built from the source our llama-cpp-python ships.

  python -m benchmarks.engine [--rounds 5] [--cases WORD …] [--through gateway] [--json OUT]

Every server runs the same file of 214 million random weights (Q4_K_M) with the same threads (one,
so that Python and the client have a core), slots, context, batch and flash attention, the prompt
cache in RAM off; every answer is greedy, streamed over HTTP and has exactly the tokens that were
asked for. In each round each server plays each case in turn, first the one, next round the other;
a ratio is the median of the rounds' ratios. Model, server and environments are made in a cache
folder at first use, which takes some minutes, cmake and ninja.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.engine.cases import INDEPENDENT, PARAMETERS, SHARED, UNEVEN, EngineCase
from benchmarks.engine.measure import EngineFigures, engine_state, measure
from benchmarks.engine.model import model, whole_words, words
from benchmarks.engine.quiet import Quiet
from benchmarks.engine.report import HEAD, Row, alone, rows, stated
from benchmarks.engine.serial import measure_serial
from benchmarks.engine.servers import BenchServer, Setup, llama_cpp_server, ours, theirs, xllamacpp
from benchmarks.engine.through_gateway import behind_gateway

_AT_EIGHT = INDEPENDENT[2]
_WARM = EngineCase("warm", 8, waves=1)
Peer = Callable[[Setup], AbstractContextManager[BenchServer]]
Pairs = Sequence[Sequence[EngineFigures]]


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """Which cases are measured how often, with which words, and how much patience."""

    rounds: int
    vocabulary: Sequence[str]
    quiet: Quiet
    wanted: Sequence[str]

    def wants(self, title: str) -> bool:
        return any(word in title for word in self.wanted)

    def measure(self, server: BenchServer, case: EngineCase, number: int) -> EngineFigures:
        self.quiet.wait()
        return measure(server, case, self.vocabulary, str(number))

    def warm(self, *servers: BenchServer) -> None:
        for server in servers:
            measure(server, _WARM, self.vocabulary, "warm")


def compare(setup: Setup, us: Peer, plan: EnginePlan) -> list[Row]:
    """Ours and llama-server, both up all the time, one of them busy."""
    every = (*INDEPENDENT, *UNEVEN, *SHARED, *PARAMETERS)
    cases = [case for case in every if plan.wants(case.title)]
    if not cases:
        return []
    with us(setup) as mine, theirs(setup) as peer:
        plan.warm(mine, peer)
        found = [row for case in cases for row in _case((mine, peer), case, plan)]
        lag = float(engine_state(mine)["loop_lag_p99_ms"])
    return [*found, _say(alone("engine process", "loop lag, p99 ms", [lag], 5.0))]


def _case(pair: tuple[BenchServer, BenchServer], case: EngineCase, plan: EnginePlan) -> list[Row]:
    found: dict[str, list[EngineFigures]] = {server.name: [] for server in pair}
    before = engine_state(pair[0])
    for number in range(plan.rounds):
        for server in pair if number % 2 == 0 else reversed(pair):
            found[server.name].append(plan.measure(server, case, number))
    seen = rows(case, found)
    if case is _AT_EIGHT:
        seen.append(_between(before, engine_state(pair[0])))
    return [_say(row) for row in seen]


def _between(before: dict[str, float], after: dict[str, float]) -> Row:
    seconds = after["between_s"] - before["between_s"]
    each = seconds / (after["steps"] - before["steps"]) * 1e3
    return alone("independent, 8 at once", "between decodes, ms", [each], 0.3)


def state_others(setup: Setup, plan: EnginePlan) -> list[Row]:
    """Others at concurrency 8, each with our engine beside it."""
    wanted = {name: play for name, play in _OTHERS.items() if plan.wants(name)}
    return [_say(_stated(name, play(setup, plan))) for name, play in wanted.items()]


def _served(peer: Peer, setup: Setup, plan: EnginePlan) -> Pairs:
    with ours(setup) as mine, peer(setup) as other:
        plan.warm(mine, other)
        return [tuple(plan.measure(server, _AT_EIGHT, number) for server in (mine, other))
                for number in range(plan.rounds)]  # fmt: skip


def _serial(setup: Setup, plan: EnginePlan) -> Pairs:
    with ours(setup) as mine:
        plan.warm(mine)
        return [(plan.measure(mine, _AT_EIGHT, number),
                 measure_serial(setup, _AT_EIGHT, plan.vocabulary, str(number)))
                for number in range(plan.rounds)]  # fmt: skip


_OTHERS: dict[str, Callable[[Setup, EnginePlan], Pairs]] = {
    "8 at once, xllamacpp": partial(_served, xllamacpp),
    "8 at once, llama_cpp.server": partial(_served, llama_cpp_server),
    "8 at once, serial llama_cpp.Llama": _serial,
}


def _stated(name: str, pairs: Pairs) -> Row:
    return stated(name, [a for a, _ in pairs], [b for _, b in pairs])


def _say(row: Row) -> Row:
    print(row, flush=True)
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    patience = "seconds to wait for a quiet machine before each measurement"
    parser.add_argument("--patience", type=float, default=30.0, help=patience)
    parser.add_argument("--through", choices=["engine", "gateway"], default="engine")
    only = "play only those with one of these words in their titles: independent, '8 at once' …"
    parser.add_argument("--cases", nargs="+", default=[""], metavar="WORD", help=only)
    parser.add_argument("--quick", action="store_true", help="one round, without the others")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    default = Path.home() / ".cache" / "modelyard-benchmarks"
    parser.add_argument("--cache", type=Path, default=default)
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    setup = Setup(asked.cache, model(asked.cache), asked.threads)
    rounds = 1 if asked.quick else asked.rounds
    patience_s = asked.patience
    plan = EnginePlan(rounds, whole_words(words()), Quiet(patience_s), asked.cases)
    print(HEAD)
    found = compare(setup, behind_gateway if asked.through == "gateway" else ours, plan)
    if not asked.quick and asked.through == "engine":
        found += state_others(setup, plan)
    print(plan.quiet)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) | {"verdict": row.verdict} for row in found]))
    return int(any(row.verdict == "MISSED" for row in found))


if __name__ == "__main__":
    sys.exit(main())
