"""Asks a Prefect server over HTTP, patiently: without its library, from any thread."""

import time
from dataclasses import dataclass
from typing import Any

import httpx2

from modelyard.flows.errors import PrefectDeclined, PrefectRefused, PrefectUnreachable
from modelyard.flows.prefect.address import PATIENCE_S, Prefect
from modelyard.registry.web.authorization import basic

BUSY_PAUSE_S = 0.5
"""Seconds until a busy server is asked again."""

MOST_WORDS = 500
"""Characters of an answer that an error repeats."""


@dataclass(frozen=True, slots=True)
class PrefectApi:
    """One server's API."""

    server: Prefect

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One answer; a server whose database is busy (503) is asked again, as Prefect's does.

        Raises PrefectUnreachable where it does not answer, PrefectDeclined where it does not know
        what was named or does not take it, PrefectRefused at any other refusal.
        """
        until = time.monotonic() + PATIENCE_S
        while (answer := self._asked_once(method, path, body)).status_code == 503:
            if time.monotonic() > until:
                raise PrefectUnreachable(
                    f"The Prefect server at {self.server.url} is too busy to answer.",
                    fix="Try again in a moment.",
                )
            time.sleep(BUSY_PAUSE_S)
        if not answer.is_success:
            raise self._refusal(path, answer)
        return answer.json() if answer.content else None

    def _refusal(self, path: str, answer: httpx2.Response) -> PrefectRefused:
        if answer.status_code == 404:
            return PrefectDeclined(
                f"The Prefect server at {self.server.url} does not know {path}.",
                fix="The run is another server's; or `modelyard flows` does not serve the flows.",
            )
        if answer.status_code in {400, 409, 422}:
            return PrefectDeclined(
                f"Prefect does not take it: {answer.text[:MOST_WORDS]}",
                fix="See the deployment's parameters.",
            )
        return PrefectRefused(
            f"The Prefect server at {self.server.url} answers {answer.status_code}.",
            fix="See PREFECT_API_AUTH_STRING, and its log.",
        )

    def _asked_once(self, method: str, path: str, body: object) -> httpx2.Response:
        headers = {"Authorization": basic(self.server.login).decode()} if self.server.login else {}
        try:
            return httpx2.request(
                method,
                f"{self.server.url}{path}",
                json=body,
                headers=headers,
                timeout=PATIENCE_S,
            )
        except httpx2.HTTPError as error:
            raise PrefectUnreachable(
                f"The Prefect server at {self.server.url} does not answer: {error}.",
                fix="Start it, or correct PREFECT_API_URL.",
            ) from None
