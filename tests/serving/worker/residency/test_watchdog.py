"""An engine is given up when it has been silent, or in one step, for too long; not before."""

from modelyard.serving.worker.activity import Activity
from modelyard.serving.worker.residency.watchdog import MISSED, Watchdog, WatchdogLimits

LIMITS = WatchdogLimits(silent_s=20.0, step_s=300.0)


def test_silence_counts_from_the_first_question_without_an_answer() -> None:
    """Every two seconds a question: after twenty it is over, and an answer begins anew."""
    watchdog = Watchdog(LIMITS)
    assert not any(watchdog.heard(None, now) for now in range(100, 119, 2))
    assert watchdog.heard(Activity(), 119) == ""
    assert not any(watchdog.heard(None, now) for now in range(120, 139, 2))
    assert watchdog.heard(None, 140) == "gave no answer for 20 s"


def test_a_worker_that_was_stopped_itself_blames_nobody() -> None:
    """One long wait is one question, however late the worker notices that it was not answered."""
    watchdog = Watchdog(LIMITS)
    for now in (100.0, 500.0):
        assert watchdog.heard(None, now) == ""
    assert MISSED > 2


def test_an_engine_that_answers_may_still_be_stuck() -> None:
    """Its doors are another thread than what computes: the length of a step is bounded too."""
    watchdog = Watchdog(LIMITS)
    assert watchdog.heard(Activity(active=1, step_s=299), 100) == ""
    assert watchdog.heard(Activity(active=1, step_s=301), 102) == "was stuck in one step for 301 s"
