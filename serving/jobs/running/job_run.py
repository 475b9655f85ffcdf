"""One job on its way through the gateway, as if its user were connected and waiting."""

from dataclasses import dataclass, field, replace

import msgspec
from sqlalchemy.exc import OperationalError

from modelyard.registry.errors import ModelyardError
from modelyard.registry.jobs.job import Claim, Job
from modelyard.registry.logs import logger
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.gateway.request import GatewayRequest
from modelyard.serving.jobs.running.job_answer import JobAnswer
from modelyard.serving.jobs.running.outcome import Later, Outcome, of_answer, of_error
from modelyard.serving.jobs.running.owners import JobOwners
from modelyard.serving.jobs.running.whole_answer import STREAMED, asked_as_stream
from modelyard.serving.observability.request_record import RequestRecord
from modelyard.serving.routing.running import RunningRequest

MOST_PROGRESS = 0.99
"""Of a job that has not ended."""

STEP = 0.01
"""The least progress that is told."""

_log = logger("modelyard.jobs")


@dataclass(slots=True, eq=False)
class JobTry:
    """A claimed job in this process, with its answer as far as it has come.

    `is_told`: the queue knows on which device it is. `is_answered`: the gateway is done with it.
    `is_lost`: it was cancelled, or another process has it: nothing is to be said of it any more.
    """

    claim: Claim
    version_id: str
    answer: JobAnswer = field(default_factory=JobAnswer)
    request: GatewayRequest | None = None
    told_progress: float = 0.0
    is_told: bool = False
    is_answered: bool = False
    is_lost: bool = False

    @property
    def running(self) -> RunningRequest | None:
        """What an engine has, or last had, of it; None while it waits for one."""
        return None if self.request is None else self.request.running

    def located(self, outcome: Outcome) -> Outcome:
        """The outcome with what worked on it; short jobs end before anybody has told."""
        running = self.running
        if running is None or isinstance(outcome, Later):
            return outcome
        return replace(outcome, version=running.model, device_id=running.target.device_id)

    @property
    def progress(self) -> float:
        """The share of its token limit that is written, from 0 to MOST_PROGRESS."""
        most = self.claim.job.output_tokens
        return min(MOST_PROGRESS, self.answer.written.pieces / most) if most else 0.0

    @property
    def has_moved(self) -> bool:
        """Whether its progress is worth telling; of a batch's lines nobody looks at it."""
        is_alone = self.claim.job.batch_id is None
        return is_alone and self.progress - self.told_progress >= STEP

    def moved(self) -> float:
        """The progress, which counts as told from now on."""
        self.told_progress = self.progress
        return self.told_progress


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Sends jobs through the gateway; what they use is booked there, for their users."""

    gateway: Gateway
    owners: JobOwners

    async def outcome(self, run: JobTry) -> Outcome:
        """Try the job once; cancellation ends the engine's work too."""
        try:
            await self._answer(run)
            return of_answer(run.answer)
        except ModelyardError as error:
            return of_error(error)
        except OperationalError:
            return Later("The database did not answer.")
        except Exception:  # noqa: BLE001  whatever it is, it is logged and tried again
            _log.exception("a job broke", job=run.claim.job.id)
            return Later("Something went wrong inside; the log says what.", is_attempt=True)
        finally:
            run.is_answered = True

    async def _answer(self, run: JobTry) -> None:
        job = run.claim.job
        caller = await self.owners.caller(job.user_id)
        record = RequestRecord(booked_as(job), job.id, job.path)
        record.user_id = caller.user_id
        body = _streamed(run.claim.body) if job.path in STREAMED else run.claim.body
        run.request = GatewayRequest(caller, body, record, priority=job.priority)
        await self.gateway.answer(run.request, run.answer)


def booked_as(job: Job) -> str:
    """The id of its usage row: the same for each of its tries, so that it is booked once.

    An id that was forgotten and is used anew is another row, for it was submitted at another time.
    """
    return f"job-{job.id}-{job.submitted_at.timestamp():.0f}"


def _streamed(body: bytes) -> bytes:
    """The body asked as a stream; one that is no JSON object stays, and is refused as it is."""
    try:
        return asked_as_stream(body)
    except msgspec.MsgspecError:
        return body
