"""A private model belongs to somebody: the named user, the key's, or the only admin."""

from dataclasses import replace

import pytest

from modelyard.flows.ingest.owner import owner_id
from modelyard.flows.ingest.request import IngestRequest
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile, Visibility
from modelyard.registry.errors import AlreadyExists, NotAuthenticated, SettingsInvalid, UnknownUser
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.identity.identity import Identity


@pytest.fixture
def identity(catalog: Catalog) -> Identity:
    made = Identity(catalog.db, "")
    made.first_admin()
    return made


def test_the_named_user_the_keys_or_the_only_admin(identity: Identity) -> None:
    """In that order."""
    ada = identity.create_user("ada", Role.USER)
    key = identity.create_key("ada", "test")
    admin = next(user for user in identity.list_users() if user.name == "admin")
    assert owner_id(identity, "admin", key) == admin.id
    assert owner_id(identity, None, key) == ada.id
    assert owner_id(identity, None, "") == admin.id


def test_nobody_owns_by_guess(identity: Identity) -> None:
    """An unknown name, a wrong key, two admins: each is told apart, and the way out named."""
    with pytest.raises(UnknownUser):
        owner_id(identity, "eve", "")
    with pytest.raises(NotAuthenticated):
        owner_id(identity, None, "my_wrong")
    identity.create_user("second", Role.ADMIN)
    with pytest.raises(SettingsInvalid, match="--owner"):
        owner_id(identity, None, "")


def test_a_private_order_has_an_owner() -> None:
    """Also one from Prefect's form."""
    with pytest.raises(SettingsInvalid, match="owner"):
        IngestRequest(repo="ada/m", private=True)


def test_what_is_public_does_not_pass_for_private(catalog: Catalog) -> None:
    """The same content kept openly is no answer to a private order; one's own is."""
    version = catalog.register(
        "ada/m", "ada/m", "c" * 40, ModelFacts(Format.GGUF, "llama"),
        [StoredFile("m.gguf", "0" * 64, 1)], {}, Visibility.PRIVATE, "1",
    )  # fmt: skip
    request = IngestRequest(repo="ada/m", private=True, owner_id="1")
    request.check_kept([version])
    for other in (replace(version, owner_id="2"), replace(version, visibility=Visibility.PUBLIC)):
        with pytest.raises(AlreadyExists, match="--name"):
            request.check_kept([other])
    assert catalog.list(Caller("1", "ada", Role.USER)) == [version]
    assert catalog.list(Caller("2", "eve", Role.USER)) == []
