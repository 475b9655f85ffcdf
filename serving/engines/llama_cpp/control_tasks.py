"""Small tasks that the thread owning a context runs between two steps."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.errors import ModelyardError

ControlTask = tuple[Callable[[], Any], Future[Any]]


@dataclass(frozen=True, slots=True)
class ControlTasks:
    """A task queue; `add` is thread-safe, `run` and `fail` are for the owning thread."""

    _waiting: deque[ControlTask] = field(default_factory=deque[ControlTask])

    def add(self, work: Callable[[], Any]) -> Future[Any]:
        done = Future[Any]()
        self._waiting.append((work, done))
        return done

    def run(self) -> None:
        """Run all queued tasks; a ModelyardError goes to the caller's future."""
        while self._waiting:
            work, done = self._waiting.popleft()
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(work())
                except ModelyardError as error:
                    done.set_exception(error)

    def fail(self, error: ModelyardError) -> None:
        while self._waiting:
            _, done = self._waiting.popleft()
            if done.set_running_or_notify_cancel():
                done.set_exception(error)
