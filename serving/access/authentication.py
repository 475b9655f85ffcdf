"""Resolves the caller of a request from its API key or session token."""

from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.identity import Identity, refused
from modelyard.registry.web.authorization import bearer
from modelyard.serving.cache import LAST_S, SingleFlightCache

REMEMBER_S = 5.0
"""Seconds a credential is cached, and so the longest that a revoked one works.

Gateways that share a Redis `forget` it at their next heartbeat.
"""

_LONGEST = 4096


class Authenticator:
    """Turns an Authorization header into a caller.

    `measures` is the Authorization header that may read the metrics and nothing else.
    """

    def __init__(
        self, identity: Identity, metrics_token: str, *, remember_s: float = REMEMBER_S
    ) -> None:
        self.identity = identity
        self.measures = bearer(metrics_token)
        self._callers = SingleFlightCache(
            self._look_up, seconds=remember_s, entries=10_000, last_s=LAST_S
        )
        self.known = self._callers.known
        """The caller of a header that is in the cache, without waiting; else None."""

    async def caller(self, authorization: str) -> Caller:
        """The caller; raises NotAuthenticated unless this is `Bearer` and a valid credential."""
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(credential) <= _LONGEST:
            raise refused()
        return await self._callers.get(authorization)

    def forget(self) -> None:
        """Clear the cache, because some user's rights have changed."""
        self._callers.clear()

    def _look_up(self, authorization: str) -> Caller:
        credential = authorization.partition(" ")[2].strip()
        if credential.startswith("my_"):
            return self.identity.authenticate_key(credential)
        return self.identity.authenticate_token(credential)
