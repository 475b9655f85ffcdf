"""How long the Hub is waited for: as it asks, within a setting; else a bounded number of tries."""

import time
from dataclasses import dataclass

from modelyard.flows.steps.hub.backoff import pause
from modelyard.flows.steps.hub.hub import HubClient
from modelyard.flows.steps.hub.refusals import unreachable


@dataclass(slots=True)
class Patience:
    """Counts the tries, and the seconds waited as told, since the last that brought anything."""

    hub: HubClient
    tries: int = 0
    waited_s: float = 0.0

    def progressed(self) -> None:
        self.tries = 0
        self.waited_s = 0.0

    def wait(self, reason: str, asked_s: float = 0.0) -> None:
        """Sleep before the next try; raises HubUnreachable when there is to be none.

        A wait that the Hub asks for, in seconds, is no failed try.
        """
        if asked_s > 0:
            self._wait_as_told(reason, asked_s)
            return
        self.tries += 1
        if self.tries >= self.hub.attempts:
            raise unreachable(self.hub, reason)
        time.sleep(pause(self.tries, self.hub.backoff_s))

    def _wait_as_told(self, reason: str, asked_s: float) -> None:
        self.waited_s += asked_s
        if self.waited_s > self.hub.longest_wait_s:
            raise unreachable(
                self.hub,
                f"{reason} and asks to wait {asked_s:.0f} s, which makes {self.waited_s:.0f} s "
                f"where {self.hub.longest_wait_s:.0f} s are allowed",
                fix="Run the same command again later: it continues. MODELYARD_HUB_LONGEST_WAIT_S "
                "lets it wait longer; a token in HF_TOKEN has higher limits.",
            )
        with self.hub.waiting(asked_s):
            time.sleep(asked_s)
