"""Routes for admins only: one dependency, which each route gives its own sentence."""

from collections.abc import Awaitable, Callable

from modelyard.registry.errors import NotPermitted
from modelyard.registry.identity.caller import Caller
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
