"""Who a request comes from, by its API key or session token."""

from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.identity import Identity, refused
from modelyard.registry.web.authorization import bearer
from modelyard.serving.cache import SingleFlightCache

REMEMBER_S = 5.0
"""Seconds a credential is believed without asking again: the longest that a revoked one works.

Gateways that share a Redis hear of a revocation at once and `forget`.
"""

_LONGEST = 4096


class Authenticator:
    """Turns an Authorization header into a caller.

    `measures` is the header of whoever may read what is measured, and is no caller otherwise.
    """

    def __init__(
        self, identity: Identity, metrics_token: str, *, remember_s: float = REMEMBER_S
    ) -> None:
        self.identity = identity
        self.measures = bearer(metrics_token)
        self._callers = SingleFlightCache(self._look_up, seconds=remember_s, entries=10_000)
        self.known = self._callers.known
        """The caller of a header that was let in just now, without waiting; else None."""

    async def caller(self, authorization: str) -> Caller:
        """Raises NotAuthenticated unless it is `Bearer` and a valid key or token."""
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(credential) <= _LONGEST:
            raise refused()
        return await self._callers.get(authorization)

    def forget(self) -> None:
        """Believe nobody without asking: somebody's rights have changed."""
        self._callers.clear()

    def _look_up(self, authorization: str) -> Caller:
        credential = authorization.partition(" ")[2].strip()
        if credential.startswith("my_"):
            return self.identity.authenticate_key(credential)
        return self.identity.authenticate_token(credential)
