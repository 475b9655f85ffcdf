"""Fleets and bursts drawn from a seed: nobody chose them for how they come out."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.routing.fleet import FleetPlan, plan_of
from benchmarks.routing.traces import Recorded

CARDS = (
    ("large", 80, 12000, 80, 32),
    ("middle", 48, 6000, 50, 24),
    ("small", 24, 2500, 25, 12),
    ("older", 32, 1500, 18, 8),
)
"""Name, memory in GB, tokens a second of prompts and of one answer, requests at once."""

MODELS_GB = (8, 12, 16, 18, 22, 26, 30, 40)
LOAD_GB_S = 1.4


def fleet(seed: int) -> FleetPlan:
    """One to twenty workers of one to four kinds, one model or six; each model fits somewhere."""
    chance = random.Random(seed)
    kinds = chance.sample(CARDS, chance.randint(1, len(CARDS)))
    counts = dict.fromkeys(kinds, 1)
    for _ in range(chance.randint(0, 20 - len(kinds))):
        counts[chance.choice(kinds)] += 1
    most = max(kind[1] for kind in kinds)
    sizes = [gb for gb in MODELS_GB if gb <= most]
    models = [chance.choice(sizes) for _ in range(chance.choice((1, 6, 6)))]
    workers = [_worker(kind, count, chance) for kind, count in counts.items()]
    rows = [
        {"name": f"model-{i}", "memory_gb": gb, "load_s": round(1 + gb / LOAD_GB_S, 1)}
        for i, gb in enumerate(models)
    ]
    return plan_of({"workers": workers, "models": rows}, f"fleet {seed}")


def _worker(kind: tuple[str, int, int, int, int], count: int, chance: random.Random) -> Any:
    name, memory, prefill, decode, slots = kind
    speed = chance.uniform(0.7, 1.3)
    return {
        "name": name, "count": count, "memory_gb": memory, "max_concurrency": slots,
        "prefill_tps": prefill * speed, "decode_tps": decode * speed,
    }  # fmt: skip


def bursts(seed: int, count: int = 8000) -> list[Recorded]:
    """Arrivals four times as dense for 20 s of every 80; conversations grow; long tails."""
    chance = random.Random(seed)
    found = list[Recorded]()
    at = 0.0
    talks = [(0, 0)] * 200
    for _ in range(count):
        at += chance.expovariate(4.0 if at % 80 < 20 else 1.0)
        slot = chance.randrange(len(talks))
        talk, turn = talks[slot]
        if not turn or chance.random() < 0.15:
            talk = len(found) + 1
            turn = 0
        talks[slot] = (talk, turn + 1)
        prompt = min(40_000, int(chance.lognormvariate(6.3, 0.9)) + 1 + 600 * turn)
        blocks = tuple(talk * 1000 + i for i in range(min(prompt // 512, 2 * turn + 1)))
        found.append(Recorded(at, prompt, 1 + int(chance.expovariate(1 / 250)), blocks))
    return found


def overload(seed: int, count: int = 8000) -> list[Recorded]:
    """Long prompts and short answers, twenty times as dense for a third of the time.

    All but a twentieth of the requests come in bursts of twice the mean rate and more, so that at
    a load of 0.7 the fleet is behind for most of the trace.
    """
    chance = random.Random(seed)
    found = list[Recorded]()
    at = 0.0
    for _ in range(count):
        at += chance.expovariate(20.0 if at % 300 < 100 else 0.5)
        prompt = min(40_000, int(chance.lognormvariate(7.6, 1.1)) + 1)
        found.append(Recorded(at, prompt, 1 + int(chance.expovariate(1 / 24))))
    return found


DRAWN: Mapping[str, Callable[[int], list[Recorded]]] = {"bursts": bursts, "overload": overload}
"""Traces by the names they have on the command line."""
