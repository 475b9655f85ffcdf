"""The processes of the simulation: who hands in, who works, who sweeps, who cancels, who sends."""

import hashlib
import uuid
from dataclasses import dataclass, field, replace

from modelyard.registry.callbacks.deliveries import CallbackDelivery, TryOutcome
from modelyard.registry.callbacks.places import CallbackPlaces
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.errors import JobEnded, JobIdTaken, UnknownJob
from modelyard.registry.jobs.job import Claim, JobEnd, JobStatus, JobType, NewJob
from tests.invariants.jobs.oracle import Violated
from tests.invariants.jobs.world import World

MODEL = "a/one"
USERS = ("ada", "grace", "mary")
POISON = b'{"poison": true}'


@dataclass(slots=True)
class Submitter:
    """Hands in jobs, some twice, some with an id that is taken; repeats what it is unsure of."""

    world: World
    unsure: list[NewJob] = field(default_factory=list[NewJob])

    def step(self) -> None:
        world = self.world
        drafts = list(world.oracle.drafts.values())
        if self.unsure:
            new = self.unsure[-1]
        elif drafts and world.chance.random() < 0.2:
            new = world.chance.choice(drafts)
        else:
            new = self._drawn()
            world.oracle.drafts[new.id] = new
            self.unsure.append(new)
        if world.chance.random() < 0.15 and new.id in world.oracle.acknowledged:
            self._clash(new)
            return
        [job] = world.queue.submit([new])
        if job.digest != new.digest:
            raise Violated(7, f"{new.id} is another job")
        world.oracle.acknowledged.add(new.id)
        self.unsure = [one for one in self.unsure if one.id != new.id]

    def _clash(self, known: NewJob) -> None:
        other = replace(known, digest="0" * 64)
        try:
            self.world.queue.submit([other])
        except JobIdTaken:
            return
        raise Violated(7, f"{known.id} was taken twice, with another body")

    def _drawn(self) -> NewJob:
        chance = self.world.chance
        body = POISON if chance.random() < 0.1 else b'{"prompt": "hello"}'
        job_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        return NewJob(
            id=job_id,
            user_id=chance.choice(USERS),
            asked_by="ada",
            model=MODEL,
            type=JobType.INFERENCE,
            path="/v1/completions",
            body=body,
            priority=chance.randint(1, 5),
            timeout_s=chance.choice((20.0, 120.0, 600.0, 3600.0)),
            digest=hashlib.sha256(job_id.encode()).hexdigest(),
            prompt_tokens=10,
            output_tokens=20,
            callback_url="https://example.com/done" if chance.random() < 0.5 else None,
        )

    def died(self) -> None:
        """A caller that got no answer asks again: `unsure` is what it has not heard of."""


@dataclass(slots=True)
class Worker:
    """Claims jobs and ends them; it may stand still for long, and knows nothing after a death."""

    world: World
    name: str
    boot: int = 0
    held: list[Claim] = field(default_factory=list[Claim])

    @property
    def claimer(self) -> str:
        return f"{self.name}/{self.boot}"

    def step(self) -> None:
        act = self.world.chance.random()
        if not self.held or act < 0.1:
            self._claim()
        elif act < 0.3:
            self._extend()
        else:
            self._end(self.held.pop(self.world.chance.randrange(len(self.held))))

    def died(self) -> None:
        self.boot += 1
        self.held = []

    def _claim(self) -> None:
        world = self.world
        wanted = ClaimRequest(models={MODEL: world.chance.randint(1, 4)})
        claims = world.queue.claim(self.claimer, wanted)
        self.held += claims
        if claims:
            world.oracle.claimed(claims, world.waiting())

    def _extend(self) -> None:
        held = self.world.queue.extend(self.claimer, self.held, {})
        gone = {*held.lost, *held.cancelled}
        self.held = [claim for claim in self.held if claim.job.id not in gone]

    def _end(self, claim: Claim) -> None:
        queue = self.world.queue
        if self.world.chance.random() < 0.3:
            queue.begun(claim, "version", "cpu-0")
        if claim.body == POISON or self.world.chance.random() < 0.15:
            is_attempt = claim.body == POISON or self.world.chance.random() < 0.5
            queue.give_back(claim, "The engine died.", wait_s=5.0, is_attempt=is_attempt)
            return
        status = self.world.chance.choice((JobStatus.COMPLETED, JobStatus.FAILED))
        end = JobEnd(status=status, result=b"{}", result_status=200, output_tokens=5)
        if status is JobStatus.FAILED:
            end = JobEnd(status=status, error_code="engine_failed", error="It broke.")
        is_taken = queue.finish(claim, end)
        self.world.oracle.finished(claim, status, is_taken=is_taken)


@dataclass(slots=True)
class Sweeper:
    """Ends what is too late, and gives back what nobody holds any longer."""

    world: World

    def step(self) -> None:
        self.world.queue.sweep()

    def died(self) -> None:
        """It keeps nothing."""


@dataclass(slots=True)
class Canceller:
    """A user who changes its mind, about anything it has ever handed in."""

    world: World

    def step(self) -> None:
        world = self.world
        if world.is_calm or not world.oracle.drafts:
            return
        job_id = world.chance.choice(list(world.oracle.drafts))
        try:
            world.queue.cancel(job_id)
        except JobEnded:
            return
        except UnknownJob:
            if job_id in world.oracle.acknowledged:
                raise Violated(1, f"{job_id} was acknowledged and is unknown") from None
            return
        world.oracle.ended(job_id, JobStatus.CANCELLED)

    def died(self) -> None:
        """Nobody was told that it was cancelled, and perhaps it was."""


@dataclass(slots=True)
class Sender:
    """Sends callbacks to a server that takes most of them; it may die after one was sent."""

    world: World
    held: list[CallbackDelivery] = field(default_factory=list[CallbackDelivery])

    def step(self) -> None:
        if not self.held:
            self.held = self.world.deliveries.claim(5, CallbackPlaces())
            return
        delivery = self.held.pop()
        is_taken = self.world.is_calm or self.world.chance.random() < 0.7
        if is_taken:
            self.world.received.append(delivery.id)
        outcome = TryOutcome(
            at=self.world.clock.now, duration_ms=1.0, status=204 if is_taken else 500
        )
        self.world.deliveries.record(delivery, outcome)

    def died(self) -> None:
        self.held = []
