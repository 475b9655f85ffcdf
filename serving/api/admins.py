"""What admins alone may ask: whole routes, and what is of others."""

from collections.abc import Awaitable, Callable

from modelyard.registry.errors import NotPermitted
from modelyard.registry.identity.caller import Caller, Role
from modelyard.serving.api.services import TheCaller


def admin_or(refusal: str, fix: str = "") -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency that gives the caller; anybody but an admin gets NotPermitted with `refusal`.

    It runs before the request's fields are checked: who may not ask is told nothing about them.
    """

    async def admin(caller: TheCaller) -> Caller:
        if not caller.is_admin:
            raise NotPermitted(refusal, fix=fix)
        return caller

    return admin


def whose(user_id: str, caller: Caller) -> str | None:
    """The user to list, None for all; who names another without being an admin: NotPermitted.

    It is refused alike whether there is such a user or not.
    """
    if caller.role is Role.USER and user_id not in {"", caller.user_id}:
        raise NotPermitted("What others asked for is for admins to see.", fix="Leave it away.")
    return user_id or None
