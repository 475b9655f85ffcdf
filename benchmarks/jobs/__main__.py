"""The pace of queued requests on both databases, and what others feel of it.

`python -m benchmarks.jobs [--requests 5000] [--queued 100000] [--only sqlite|postgresql]`: jobs are
submitted one by one and completed, at the queue itself and over HTTP by a mock engine, while one
reader asks for the status of a request; then claims are timed while many wait, and the pace is
measured again while another transaction holds its snapshot open. SQLite and PostgreSQL write as in
production.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from benchmarks.jobs.claim_latency import claims
from benchmarks.jobs.held_snapshot import loss
from benchmarks.jobs.over_http import over_http
from benchmarks.jobs.queue_pace import pace
from modelyard.registry.database import Database, new_id
from modelyard.registry.migrate import migrate
from tests.servers.postgres import running_postgres

PER_SECOND = {"sqlite": 300.0, "postgresql": 500.0}
READ_MS = 20.0
CLAIM_MS = 20.0
LOSS = 0.05
"""The bars: jobs per second, milliseconds at p99, and the share lost to a held snapshot."""

CLAIMS = 500


@contextmanager
def makers(kind: str) -> Generator[Callable[[], str]]:
    """What makes a new database of this kind, as its URL."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if kind == "sqlite":
            yield lambda: f"sqlite:///{folder}/{new_id()}.db"
        else:
            server = stack.enter_context(running_postgres(durable=True))
            yield lambda: server.create(new_id())


@contextmanager
def migrated(url: str) -> Generator[Database]:
    database = Database.connect(url)
    migrate(database)
    yield database
    database.close()


def measure(kind: str, make: Callable[[], str], asked: argparse.Namespace) -> bool:
    """Print the figures of one kind of database; whether all are within the bars."""
    with migrated(make()) as db:
        at_queue = pace(db, asked.requests)
    http = over_http(make(), asked.requests)
    with migrated(make()) as db:
        p50, p99 = claims(db, asked.queued, min(CLAIMS, asked.queued // 50))
    with migrated(make()) as db:
        lost = loss(db, asked.requests)
    bar = PER_SECOND[kind]
    print(f"{kind:>12}{'':8}jobs/s{'':4}status read p99 ms{'':4}bar")
    print(f"{'queue':>12}{at_queue.per_second:14.0f}{at_queue.read_p99_ms:22.1f}{bar:7.0f}/s")
    print(f"{'HTTP':>12}{http.per_second:14.0f}{http.read_p99_ms:22.1f}{bar:7.0f}/s")
    print(f"{'claims':>12} with {asked.queued} queued: p50 {p50:.1f}, p99 {p99:.1f} ms")
    print(f"{'snapshot':>12} held for the whole run: {lost:.1%} fewer jobs/s (bar {LOSS:.0%})")
    slow = max(at_queue.read_p99_ms, http.read_p99_ms) > READ_MS or p99 > CLAIM_MS
    is_fast = min(at_queue.per_second, http.per_second) >= bar
    return is_fast and not slow and lost < LOSS and http.completed == asked.requests


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.jobs", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--only", choices=sorted(PER_SECOND))
    asked = parser.parse_args()
    kinds = [asked.only] if asked.only else sorted(PER_SECOND)
    is_good = True
    for kind in kinds:
        with makers(kind) as make:
            is_good = measure(kind, make, asked) and is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
