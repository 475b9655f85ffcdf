"""What the promotions of this process came to, in plain numbers."""

from collections import Counter

from modelyard.serving.observability.request_record import Histogram


class PromotionStats:
    """Promotions by outcome, an error's code where they failed, and how long they prepared."""

    def __init__(self) -> None:
        self.outcomes = Counter[str]()
        self.seconds: dict[str, Histogram] = {}

    def record(self, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.seconds.setdefault(outcome, Histogram()).observe(seconds)
