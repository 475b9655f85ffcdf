"""One run: a seed draws who acts next, what time passes, and who dies or stands still when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from modelyard.registry.database import Database
from modelyard.registry.jobs.queue import JobQueue
from tests.invariants.jobs.commit_crashes import CommitCrashes, ProcessDied
from tests.invariants.jobs.oracle import Violated
from tests.invariants.jobs.processes import Canceller, Sender, Submitter, Sweeper, Worker
from tests.invariants.jobs.simulated_time import SimulatedClock, simulated
from tests.invariants.jobs.world import World

STEPS = 50
CALM_STEPS = 400
PAUSES = (0.0, 0.0, 0.0, 0.01, 0.5, 3.0, 25.0)
"""Seconds that may pass between two steps; a lease is 30."""

FREEZES = 0.04
DIES = 0.2
"""How likely it is that a process stands still, or dies, when it is its turn."""


class SimulatedProcess(Protocol):
    """What acts: one step is what it does without being interrupted, but by its death."""

    def step(self) -> None: ...
    def died(self) -> None: ...


@dataclass(slots=True)
class ProcessScheduler:
    """Lets one process act at a time; `frozen` says until when some stand still.

    A worker asks for jobs whenever its turn comes: after a wake-up, after two of them, and after
    one that was lost.
    """

    world: World
    processes: Sequence[SimulatedProcess]
    lasting: Sequence[SimulatedProcess]
    frozen: dict[int, datetime] = field(default_factory=dict[int, datetime])

    def step(self) -> None:
        """Somebody acts, dies at one of its commits, or stands still, perhaps past its lease."""
        world = self.world
        chance = world.chance
        world.clock.advance(chance.choice(PAUSES))
        place = chance.randrange(len(self.processes))
        if self.frozen.get(place, world.clock.now) > world.clock.now:
            return
        if chance.random() < FREEZES:
            self.frozen[place] = world.clock.now + timedelta(seconds=chance.uniform(1.0, 120.0))
            return
        dies_at = chance.choice((1, 1, 2, 3)) if chance.random() < DIES else 0
        self._act(self.processes[place], dies_at)

    def calm(self) -> None:
        """No more faults and no new work; one worker is left, and does all that there is."""
        world = self.world
        world.is_calm = True
        for _ in range(CALM_STEPS):
            if not world.unended():
                return
            for process in self.lasting:
                self._act(process, 0)
            world.clock.advance(7.0)
        raise Violated(1, f"{world.unended()} jobs and callbacks come to no end")

    def _act(self, process: SimulatedProcess, dies_at: int) -> None:
        is_after = self.world.chance.random() < 0.5
        try:
            with self.world.crashes.armed(dies_at, is_after=is_after):
                process.step()
        except ProcessDied:
            process.died()


def simulate(db: Database, seed: int, kind: type[JobQueue] = JobQueue) -> World:
    """Run one seed on an emptied database; raises Violated."""
    clock = SimulatedClock()
    crashes = CommitCrashes(db)
    chance = random.Random(seed)
    world = World(db, kind(db, now=clock), clock, chance, crashes)
    world.empty()
    workers = [Worker(world, f"w{number}") for number in range(3)]
    lasting = (workers[0], Sweeper(world), Sender(world))
    others = (*[Submitter(world)] * 4, *workers[1:], Canceller(world))
    scheduler = ProcessScheduler(world, (*lasting, *others), lasting)
    try:
        with simulated(clock, seed):
            for _ in range(STEPS):
                scheduler.step()
            scheduler.calm()
            world.check()
    finally:
        crashes.close()
    return world
