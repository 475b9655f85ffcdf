"""What guessing tokens gains and costs: the same requests with it and without, in turn.

`python -m benchmarks.speculation [--rounds 7] [--clients 1 4] [--cpu]` prints tokens a second with
and without guesses and the median of the rounds' ratios. Bars: > 1.2 on text that repeats itself,
>= 0.97 on text that does not.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.generation import Finish, Generation, Sampling
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence
from modelyard.serving.engines.llama_cpp.load import load_writer
from modelyard.serving.engines.llama_cpp.sampling.scoring import Score
from tests.models.tiny import Tiny

DEMO = Path(__file__).parents[1] / (
    "deployments/demo/models/modelyard/tiny-shakespeare-GGUF/shakespeare-f16.gguf"
)
WIDE = Tiny(width=512, layers=8, heads=8, kv_heads=4, inner=1536, endless=True)
LOOP = 200
COPY = replace(WIDE, loop=LOOP)
GREEDY = Sampling(temperature=0)
FREE = Sampling(temperature=1.0)
Prompts = Callable[[LlamaEngine, int], list[tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class SpeculationCase:
    """A model, what it is asked, and the ratio that is to be reached."""

    name: str
    model: Path
    prompts: Prompts
    sampling: Sampling
    bar: float
    tokens: int = 160


def copying(_engine: LlamaEngine, clients: int) -> list[tuple[int, ...]]:
    """A passage to copy, for a model that goes round in it."""
    tokens = list(range(LOOP)) * 2
    return [tuple(tokens[7 * number : 7 * number + LOOP + 20]) for number in range(clients)]


def repeating(engine: LlamaEngine, clients: int) -> list[tuple[int, ...]]:
    """A verse that the demo model goes on with in lines much like one another."""
    verse = "ROMEO:\nBut, soft! what light through yonder window breaks?\nIt is the east.\n\n"
    tokens = engine.vocabulary.tokens(verse)
    return [tuple(tokens[: len(tokens) - number]) for number in range(clients)]


def unrelated(engine: LlamaEngine, clients: int) -> list[tuple[int, ...]]:
    draw = random.Random(engine.vocabulary.size)
    return [tuple(draw.randrange(1000) for _ in range(60)) for _ in range(clients)]


def verses(engine: LlamaEngine, clients: int) -> list[tuple[int, ...]]:
    names = ("ROMEO:\n", "JULIET:\n", "First Citizen:\n", "KING RICHARD II:\n")
    return [tuple(engine.vocabulary.tokens(names[n % 4])) for n in range(clients)]


@contextmanager
def opened(model: Path, clients: int, *, speculate: bool) -> Generator[LlamaEngine]:
    engine = load_writer(
        EngineConfig(
            version_id="v", model_name="m", format="gguf", internal_token="t" * 32,
            path=str(model), parallel=clients, threads=1, speculate=speculate,
            context_length=256 if model == DEMO else 1024,
        )
    )  # fmt: skip
    try:
        yield engine
    finally:
        engine.close()


async def _one(
    engine: LlamaEngine, prompt: tuple[int, ...], case: SpeculationCase, seed: int
) -> int:
    limit = min(case.tokens, engine.prompting.context_length - len(prompt))
    sampling = Sampling(temperature=case.sampling.temperature, seed=seed)
    sequence = Sequence(Generation(prompt, limit, (), sampling), seed, asyncio.get_running_loop())
    engine.scheduler.submit(sequence)
    written = 0
    while not isinstance(news := await sequence.mailbox.get(), Finish):
        if not isinstance(news, int | Score):
            raise news
        written += 1
    return written


def speed(
    engine: LlamaEngine,
    case: SpeculationCase,
    clients: int,
    seed: int,
    *,
    clock: Callable[[], float],
) -> float:
    """Tokens a second of requests that begin together."""
    prompts = case.prompts(engine, clients)

    async def all_of_them() -> int:
        return sum(
            await asyncio.gather(
                *(_one(engine, p, case, clients * seed + i) for i, p in enumerate(prompts))
            )
        )

    begun = clock()
    return asyncio.run(all_of_them()) / (clock() - begun)


def compare(case: SpeculationCase, clients: int, rounds: int, clock: Callable[[], float]) -> None:
    with (
        opened(case.model, clients, speculate=True) as guessing,
        opened(case.model, clients, speculate=False) as plain,
    ):
        pairs: list[tuple[float, float]] = []
        for seed in range(rounds + 2):
            first, second = (guessing, plain) if seed % 2 else (plain, guessing)
            found = {id(e): speed(e, case, clients, seed, clock=clock) for e in (first, second)}
            pairs.append((found[id(guessing)], found[id(plain)]))
        seen = guessing.snapshot()
    on, off = (statistics.median(side) for side in zip(*pairs[2:], strict=True))
    ratio = statistics.median(a / b for a, b in pairs[2:])
    guessed = f"{seen.drafted} guessed, {seen.accepted} right"
    print(f"{case.name:34}{clients:>4}{on:>9.0f}{off:>9.0f}{ratio:>8.2f}  >= {case.bar}  {guessed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    cpu = "count processor time: others keep the machine busy (never on a GPU)"
    parser.add_argument("--cpu", action="store_true", help=cpu)
    asked = parser.parse_args()
    clock = time.process_time if asked.cpu else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        wide = WIDE.write(Path(folder) / "wide.gguf")
        copy = COPY.write(Path(folder) / "copy.gguf")
        cases = [
            SpeculationCase("a copied passage, greedy", copy, copying, GREEDY, 1.2),
            SpeculationCase("a copied passage, sampled", copy, copying, FREE, 1.2),
            SpeculationCase("demo model, repeating, greedy", DEMO, repeating, GREEDY, 0.97),
            SpeculationCase("demo model, verses, sampled", DEMO, verses, FREE, 0.97),
            SpeculationCase("random weights, greedy", wide, unrelated, GREEDY, 0.97),
            SpeculationCase("random weights, sampled", wide, unrelated, FREE, 0.97),
        ]
        print(f"{'':34}{'at':>4}{'guessing':>9}{'plain':>9}{'ratio':>8}   tokens a second")
        for case in cases:
            for clients in asked.clients:
                compare(case, clients, asked.rounds, clock)


if __name__ == "__main__":
    main()
