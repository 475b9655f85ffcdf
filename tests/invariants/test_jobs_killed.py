"""Requests that outlive their connection also outlive the gateways: each has its one end."""

import random
import sys
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.database import Database
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.tables import JobRow
from modelyard.registry.notices.tables import NoticeRow
from tests.invariants.killable_gateways import (
    ANSWERS,
    KillableGateway,
    PatientCaller,
    killable_gateways,
)
from tests.serving.installation import Installation, open_installation
from tests.serving.processes import PATIENT, environment

REQUESTS = {False: 200, True: 5_000}
KILLS = {False: 6, True: 200}
"""Requests and kills, and those with --soak."""

WITHIN_S = {False: 240.0, True: 7_000.0}
SETTINGS = {"MODELYARD_REQUEST_LEASE_S": "2", "MODELYARD_LOG_LEVEL": "error"}


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Generator[Installation]:
    with open_installation(database_url, tmp_path) as installation:
        yield installation


def ended(db: Database) -> Counter[str]:
    """How many requests are in each state."""
    with db.read() as session:
        rows = session.execute(select(JobRow.status, func.count()).group_by(JobRow.status))
        return Counter(dict(rows.tuples().all()))


def kill_while_they_work(
    db: Database, gateways: list[KillableGateway], *, every: int, within_s: float
) -> None:
    """Kill one of them each time that `every` more requests have ended, until all have."""
    chance = random.Random(13)
    deadline = time.monotonic() + within_s
    due = every
    while True:
        states = ended(db)
        left = states["queued"] + states["processing"]
        if not left:
            return
        assert time.monotonic() < deadline, f"they come to no end: {states}"
        if states.total() - left >= due and chance.choice(gateways).kill():
            due += every
        time.sleep(chance.uniform(0.05, 0.3))


@pytest.mark.slow(seconds=45)
@pytest.mark.timeout(7_200)
def test_killed_gateways_lose_nothing_and_bill_nothing_twice(
    installation: Installation, tmp_path: Path, full_length: int
) -> None:
    """200 requests, two gateways that are killed and come again: all completed, each once."""
    is_soak = full_length > 1
    version = installation.filled.add("talker")
    settings = installation.settings
    env = environment(settings.data_dir, settings.database_url) | PATIENT | SETTINGS
    user_id = installation.identity.authenticate_key(installation.ada).user_id
    with (
        installation.engine(version, delay_s=0.02),
        killable_gateways(env, tmp_path, 2) as gateways,
        httpx2.Client(timeout=ANSWERS, trust_env=False) as http,
    ):
        caller = PatientCaller(gateways, installation.ada, user_id, random.Random(7), http)
        ids = [caller.submit(number) for number in range(REQUESTS[is_soak])]
        every = len(ids) // (KILLS[is_soak] + 1)
        within_s = WITHIN_S[is_soak]
        kill_while_they_work(installation.database, gateways, every=every, within_s=within_s)
        kills = sum(gateway.kills for gateway in gateways)
    check(installation.database, ids)
    sys.stderr.write(f"{len(ids)} requests, {kills} kills, none lost\n")
    assert kills


def check(db: Database, ids: list[str]) -> None:
    """Every acknowledged request is completed, told once, and none is booked twice."""
    ends = Counter[str]()
    with db.read() as session:
        jobs = {job.id: job for job in session.scalars(select(JobRow))}
        for data in session.scalars(select(NoticeRow.data).where(NoticeRow.kind == ENDED)):
            ends[str(data["request_id"])] += 1
        booked = Counter(session.scalars(select(UsageRow.request_id).where(ANSWERED)))
    assert {jobs[id_].status for id_ in ids} == {JobStatus.COMPLETED}
    assert {ends[id_] for id_ in ids} == {1}
    assert {id_: n for id_, n in booked.items() if n > 1} == {}


ENDED = "request.ended"
ANSWERED = UsageRow.status == "200"
"""A try that was cut short is booked as lost, until an answer takes its place."""
