"""Looks now and then at what moved outside: runs whose process died, and aliases in MLflow."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.ingest.settling import settle
from modelyard.flows.own_command import run_command
from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger
from modelyard.registry.mlflow.drift import AliasDrift, DriftKind

TRY_AGAIN_S = 600.0
"""Seconds until a promotion that failed is tried again."""

_log = logger("modelyard.flows")


def promote(drift: AliasDrift) -> str:
    """Promote what MLflow's alias means, as the command does; returns why it failed, if it did.

    In a process of its own: a promotion prepares the version with the workers first.
    """
    _, problem = run_command("models", "promote", drift.ref, "--alias", drift.alias)
    return problem


@dataclass(slots=True)
class Reconciler:
    """One look at a time; what fails is tried again with a later look.

    `follow` promotes what MLflow's alias means; a promotion that failed waits for `retry_s`.
    """

    context: FlowContext
    follow: Callable[[AliasDrift], str] = promote
    retry_s: float = TRY_AGAIN_S
    _failed: dict[tuple[str, str, str | None], float] = field(default_factory=dict)
    _shown: set[str] = field(default_factory=set[str])

    def look(self) -> None:
        """Settle dead runs, tell MLflow what moved here, and follow what moved there."""
        for sentence in settle(self.context):
            _log.info("run_settled", what=sentence)
        self.bring_together()

    def bring_together(self) -> None:
        """Tell and follow; raises MlflowUnavailable."""
        drifts = self.context.aliases.drift()
        for drift in drifts:
            if drift.kind is DriftKind.TELL:
                self.context.aliases.send(drift)
            elif drift.kind is DriftKind.FOLLOW:
                self._follow(drift)
        self._show(
            drift for drift in drifts if drift.kind in {DriftKind.CONFLICT, DriftKind.UNKNOWN}
        )

    def _follow(self, drift: AliasDrift) -> None:
        wanted = drift.model, drift.alias, drift.theirs
        if self._failed.get(wanted, 0.0) > time.monotonic():
            return
        if reason := self.follow(drift):
            self._failed[wanted] = time.monotonic() + self.retry_s
            _log.warning("alias_not_followed", what=str(drift), reason=reason)
        else:
            _log.info("alias_followed", alias=drift.alias, version=drift.ref)

    def _show(self, drifts: Generator[AliasDrift]) -> None:
        """Log each difference that a person has to settle, once."""
        now = {str(drift): drift.fix for drift in drifts}
        for what in now.keys() - self._shown:
            _log.warning("alias_differs", what=what, fix=now[what])
        self._shown = set(now)


@contextmanager
def reconciling(every_s: float) -> Generator[None]:
    """Reconcile in a thread while the block runs; a daemon, so a long promotion delays no end."""
    ended = threading.Event()
    threading.Thread(
        target=_reconcile, args=(ended, every_s), name="reconciler", daemon=True
    ).start()
    try:
        yield
    finally:
        ended.set()


def _reconcile(ended: threading.Event, every_s: float) -> None:
    with open_context() as context:
        reconciler = Reconciler(context)
        while not ended.is_set():
            try:
                reconciler.look()
            except ModelyardError as error:
                _log.warning("not_reconciled", reason=str(error))
            except Exception as error:  # noqa: BLE001 - flows are served all the same
                _log.exception("not_reconciled", exc_info=error)
            ended.wait(every_s)
