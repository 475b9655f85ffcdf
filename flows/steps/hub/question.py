"""One question to the Hub about a repository, asked again while the network or the Hub fails."""

from dataclasses import dataclass

import httpx2

from modelyard.flows.errors import HubOffline
from modelyard.flows.steps.hub.answers import LARGEST_ANSWER, invalid
from modelyard.flows.steps.hub.hub import HubClient, open_client
from modelyard.flows.steps.hub.patience import Patience
from modelyard.flows.steps.hub.refusals import HubTrouble, refusal


@dataclass(frozen=True, slots=True)
class HubQuestion:
    """A request about a repository at a revision; without `follows`, a redirect is an answer."""

    hub: HubClient
    repo: str
    revision: str
    follows: bool = True

    def answer(self, method: str, url: str, **params: str) -> bytes:
        """The answer's body; raises what `refusal` says, HubOffline, HubUnreachable etc."""
        if self.hub.offline:
            raise HubOffline(
                f"HF_HUB_OFFLINE is set, so that {self.repo} cannot be looked up.",
                fix="Unset HF_HUB_OFFLINE; what is registered here is served without the Hub.",
            )
        patience = Patience(self.hub)
        with open_client(self.hub) as http:
            request = http.build_request(method, url, params=params)
            while True:
                try:
                    return self._once(http, request)
                except (HubTrouble, httpx2.RequestError, httpx2.InvalidURL) as error:
                    asked_s = error.asked_s if isinstance(error, HubTrouble) else 0.0
                    patience.wait(str(error) or type(error).__name__, asked_s)

    def _once(self, http: httpx2.Client, request: httpx2.Request) -> bytes:
        response = http.send(request, stream=True, follow_redirects=self.follows)
        try:
            if response.is_error:
                raise refusal(self.hub, response, self.repo, self.revision)
            return self._body(response)
        finally:
            response.close()

    def _body(self, response: httpx2.Response) -> bytes:
        """The whole body, of at most LARGEST_ANSWER bytes."""
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise invalid(self.repo, f"it takes more than {LARGEST_ANSWER:,} bytes")
        return bytes(body)
