"""In whose name work is handed in: the caller's, or that of a user on whose behalf it acts."""

import asyncio
from dataclasses import dataclass

from modelyard.registry.billing.quota import Quota
from modelyard.registry.errors import NotPermitted, UnknownUser
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.identity.identity import Identity
from modelyard.serving.admission.gate import Gate
from modelyard.serving.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Acting:
    """`asked_by` hands in work that is `user`'s: seen by, counted for and limited as that user."""

    asked_by: Caller
    user: Caller
    quota: Quota


@dataclass(frozen=True, slots=True)
class Behalf:
    """Finds out on whose behalf a caller acts."""

    identity: Identity
    gate: Gate

    async def of(self, user_id: str, caller: Caller) -> Acting:
        """The two of them, and the user's quota.

        Raises NotPermitted for a user who names another, and for a service account that names an
        admin; InvalidRequest where there is no such user, or one who is disabled.
        """
        user = caller if user_id == caller.user_id else await self._other(user_id, caller)
        quota = await self.gate.remembered(user.user_id)
        return Acting(caller, user, quota.in_force())

    async def _other(self, user_id: str, caller: Caller) -> Caller:
        if caller.role is Role.USER:
            raise NotPermitted(
                "'user_id' is not yours.",
                fix="Send your own (GET /api/v1/me); admins and service accounts may name others.",
            )
        user = await asyncio.to_thread(self._find, user_id)
        if user.is_admin and not caller.is_admin:
            raise NotPermitted("'user_id' is an admin's, and service accounts act for users only.")
        return user

    def _find(self, user_id: str) -> Caller:
        try:
            found = self.identity.user(user_id)
        except UnknownUser:
            raise InvalidRequest(
                "'user_id' is nobody's.", param="user_id", fix="GET /api/v1/admin/users lists them."
            ) from None
        if found.disabled:
            raise InvalidRequest(
                f"'user_id': {found.name} is disabled.",
                param="user_id",
                fix="Enable the user, or name another.",
            )
        return Caller(found.id, found.name, found.role)
