"""Whom a job is for: the caller in whose name its request is sent."""

from dataclasses import dataclass, field

from modelyard.registry.errors import ErrorKind
from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.identity import Identity
from modelyard.registry.identity.users import UserView
from modelyard.serving.cache import LAST_S, SingleFlightCache
from modelyard.serving.errors import ServingError

REMEMBER_S = 1.0


class UserDisabled(ServingError):
    """The user in whose name a job is to be done may not come in any more."""

    code = "user_disabled"
    kind = ErrorKind.FORBIDDEN


@dataclass(slots=True)
class JobOwners:
    """Users by their ids, each asked for at most once a second."""

    identity: Identity
    _users: SingleFlightCache[str, UserView] = field(init=False)

    def __post_init__(self) -> None:
        self._users = SingleFlightCache(self.identity.user, seconds=REMEMBER_S, last_s=LAST_S)

    async def caller(self, user_id: str) -> Caller:
        """Raises UserDisabled, and UnknownUser once the user is removed."""
        user = await self._users.get(user_id)
        if user.disabled:
            raise UserDisabled(
                f"The user {user.name} is disabled, so nothing is done in its name.",
                fix="An admin enables it: modelyard users enable NAME.",
            )
        return Caller(user.id, user.name, user.role)
