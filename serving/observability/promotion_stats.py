"""Outcomes of this process' promotions, as plain numbers."""

from collections import Counter

from modelyard.serving.observability.request_record import Histogram


class PromotionStats:
    """Counts and durations of promotions by outcome; a failure's outcome is its error code."""

    def __init__(self) -> None:
        self.outcomes = Counter[str]()
        self.seconds: dict[str, Histogram] = {}

    def record(self, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.seconds.setdefault(outcome, Histogram()).observe(seconds)
