"""What the routes of queued requests work with."""

from dataclasses import dataclass

from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobSignal
from modelyard.serving.jobs.dispatch.dispatching import JobDispatcher


@dataclass(frozen=True, slots=True)
class JobServices:
    """The queue and what is known of its jobs; `dispatcher` is None where others dispatch."""

    queue: JobQueue
    book: JobBook
    dispatcher: JobDispatcher | None

    def heard(self, signal: JobSignal) -> None:
        """Tell the dispatcher beside of what was just committed here; others hear it themselves."""
        if self.dispatcher is not None:
            self.dispatcher.heard(signal)
