"""Frequent reads through Redis against the same reads of the database, interleaved.

  python -m benchmarks.cache --models 50 --rounds 7

Starts PostgreSQL and Redis of its own, registers models with two versions each and eight workers,
and asks as a gateway does: models as an administrator and as a user, and the devices' states. A
round asks every question of both sides, one by one and 32 at a time; printed are the medians of
the rounds in milliseconds an answer, and their ratio. The bar is twice as fast. Answers must be
equal. Cached answers are checked against the counts of changes each time, as they are in service.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.registry.database import Database
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.migrate import migrate
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.shared_cache import SharedCache
from tests.servers.postgres import running_postgres
from tests.servers.redis import running_redis

BAR = 2.0
ASKS = 64
ADMIN = Caller("0", "root", Role.ADMIN)
USER = Caller("1", "ada", Role.USER)
DEVICE = DeviceReport(name="Processor", memory_total=8_000_000_000, memory_free=5_000_000_000)
QUESTIONS: dict[str, Callable[[Queries], Awaitable[object]]] = {
    "models, as admin": lambda reads: reads.versions(ADMIN),
    "models, as user": lambda reads: reads.versions(USER),
    "device states": lambda reads: reads.workers(),
}


@dataclass(frozen=True, slots=True)
class CacheCase:
    """One question at one concurrency: milliseconds an answer, a round each."""

    question: str
    at_once: int
    database: list[float] = field(default_factory=list[float])
    cached: list[float] = field(default_factory=list[float])

    @property
    def ratio(self) -> float:
        pairs = zip(self.database, self.cached, strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)


def fill(db: Database, models: int) -> None:
    catalog = Catalog(db)
    fleet = Fleet(db)
    for number in range(2 * models):
        catalog.register(
            name=f"owner/model-{number // 2}",
            repo=f"owner/model-{number // 2}",
            revision=f"{number:040d}",
            facts=ModelFacts(Format.GGUF, "llama", "Q4_K_M", 8192, 7_000_000_000),
            files=[StoredFile("model.gguf", f"{number:064d}", 4_000_000_000)],
            metrics={"perplexity": 6.5, "tokens_per_second": 40.0},
        )
    for number in range(8):
        fleet.register_worker(f"gpu-{number}", f"http://127.0.0.1:{9000 + number}", 1, DEVICE)


async def ask(reads: Queries, case: CacheCase) -> float:
    """Milliseconds an answer."""
    question = QUESTIONS[case.question]
    begun = time.perf_counter()
    for _ in range(ASKS // case.at_once):
        await asyncio.gather(*(question(reads) for _ in range(case.at_once)))
    return (time.perf_counter() - begun) / ASKS * 1e3


async def measure(db: Database, redis_url: str, rounds: int) -> list[CacheCase]:
    cache = SharedCache.at(redis_url)
    straight = Queries(SharedCache(), Catalog(db), Fleet(db))
    through = Queries(cache, Catalog(db), Fleet(db))
    cases = [CacheCase(question, at_once) for question in QUESTIONS for at_once in (1, 32)]
    for question in QUESTIONS.values():
        if await question(straight) != await question(through) or not await question(through):
            sys.exit("The cached answer is not the database's.")
    for _ in range(rounds):
        for case in cases:
            await QUESTIONS[case.question](through)  # kept for seconds only: refresh it
            case.database.append(await ask(straight, case))
            case.cached.append(await ask(through, case))
    await cache.aclose()
    return cases


def run(kind: str, url: str, redis_url: str, models: int, *, rounds: int) -> bool:
    db = Database.connect(url)
    migrate(db)
    fill(db, models)
    cases = asyncio.run(measure(db, redis_url, rounds))
    db.close()
    print(f"\n{kind}, {2 * models} versions{'database ms':>22}{'cached ms':>12}{'ratio':>8}")
    for case in cases:
        label = f"{case.question}, {case.at_once} at once"
        slow = statistics.median(case.database)
        fast = statistics.median(case.cached)
        verdict = "" if case.ratio >= BAR else f"  short of {BAR:.0f}"
        print(f"{label:34}{slow:>12.2f}{fast:>12.2f}{case.ratio:>8.1f}{verdict}")
    return all(case.ratio >= BAR for case in cases)


def main() -> None:
    parser = argparse.ArgumentParser(description="Frequent reads, cached and not.")
    parser.add_argument("--models", type=int, default=50, help="models, with two versions each")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    reached: list[bool] = []
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        urls = {
            "PostgreSQL": postgres.create("bench"),
            "SQLite": f"sqlite:///{Path(folder) / 'bench.db'}",
        }
        for kind, url in urls.items():
            with running_redis() as redis:
                reached.append(run(kind, url, redis.url, asked.models, rounds=asked.rounds))
    print(f"\nbar: the database's time is at least {BAR:.0f} times the cache's")
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
