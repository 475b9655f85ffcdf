"""Finds the owner of a private model: the named user, or the caller."""

from modelyard.registry.errors import SettingsInvalid, UnknownUser
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.registry.identity.users import UserView


def owner_id(identity: Identity, name: str | None, key: str) -> str:
    """The id of the user called `name`, else of the key's user, else of the only admin.

    Raises UnknownUser, NotAuthenticated for an invalid key, or SettingsInvalid if the caller cannot
    be determined.
    """
    if name is not None:
        return _named(identity, name).id
    if key:
        return identity.authenticate_key(key).user_id
    users = identity.list_users()
    admins = [user for user in users if user.role is Role.ADMIN and not user.disabled]
    if len(admins) != 1:
        raise SettingsInvalid(
            "A private model needs an owner, and nothing says who is asking.",
            fix="Name one with --owner (`modelyard users list`), or set MODELYARD_API_KEY.",
        )
    return admins[0].id


def _named(identity: Identity, name: str) -> UserView:
    found = next((user for user in identity.list_users() if user.name == name), None)
    if found is None:
        raise UnknownUser(f"There is no user '{name[:100]}'.", fix="See `modelyard users list`.")
    return found
