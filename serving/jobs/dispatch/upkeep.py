"""Looks after the queue once a second, beside the jobs that run."""

import asyncio
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.jobs.keeping.upkeep import SWEEP_S, QueueUpkeep
from modelyard.registry.logs import logger

_log = logger("modelyard.jobs")


@dataclass(frozen=True, slots=True)
class JobUpkeep:
    """One for each process that dispatches."""

    upkeep: QueueUpkeep

    async def run(self) -> None:
        """Look after it for ever; a database that is away is asked again."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await asyncio.to_thread(self.upkeep.look)
            except SQLAlchemyError as error:
                _log.warning("jobs_not_swept", reason=str(error).splitlines()[0])
