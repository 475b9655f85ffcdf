"""Only current keys, sessions and passwords open the door, and closing it works at once."""

import threading
from datetime import timedelta

import jwt
import pytest
from sqlalchemy import select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import (
    AlreadyExists,
    InvalidName,
    InvalidPassword,
    LastAdmin,
    NotAuthenticated,
    UnknownUser,
)
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.registry.identity.tables import ApiKeyRow, UserRow

SECRET = "s" * 32
PASSWORD = "correct horse battery"


@pytest.fixture
def identity(db: Database) -> Identity:
    return Identity(db, SECRET)


def test_the_first_start_makes_one_admin_and_shows_its_key_once(identity: Identity) -> None:
    """The key works; later starts return none."""
    key = identity.first_admin()
    assert key
    assert key.startswith("my_")
    assert len(key) == 46
    assert identity.first_admin() is None
    caller = identity.authenticate_key(key)
    assert (caller.name, caller.role) == ("admin", Role.ADMIN)


def test_users_made_before_the_first_start_do_not_keep_the_admin_away(identity: Identity) -> None:
    """What counts is whether there is an admin, not whether there is anybody."""
    identity.create_user("ada", Role.USER)
    assert identity.first_admin()


def test_starts_at_the_same_time_make_one_admin(identity: Identity) -> None:
    """Of eight starts exactly one gets a key."""
    keys: list[str | None] = []
    starts = [
        threading.Thread(target=lambda: keys.append(identity.first_admin())) for _ in range(8)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(keys) == 8
    assert len([key for key in keys if key]) == 1
    assert len(identity.list_users()) == 1


def test_a_key_is_kept_as_its_hash_only(identity: Identity) -> None:
    """Neither the row nor the list holds the key's text."""
    identity.create_user("ada", Role.USER)
    key = identity.create_key("ada", "laptop")
    with identity.db.read() as session:
        row = session.scalars(select(ApiKeyRow)).one()
    stored = " ".join(str(value) for value in vars(row).values())
    assert key not in stored
    assert key[:11] in stored
    (shown,) = identity.list_keys("ada")
    assert (shown.user, shown.name, shown.prefix) == ("ada", "laptop", key[:11])


def test_a_revoked_key_ends_at_once(identity: Identity) -> None:
    """By prefix or by id; the user's other keys stay."""
    identity.create_user("ada", Role.USER)
    first = identity.create_key("ada", "a")
    second = identity.create_key("ada", "b")
    identity.revoke_key(first[:11])
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(first)
    assert identity.authenticate_key(second).name == "ada"
    identity.revoke_key(identity.list_keys("ada")[1].id)
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(second)


def test_a_key_ends_when_it_expires(identity: Identity) -> None:
    """Before its time it opens, after it no more."""
    identity.create_user("ada", Role.USER)
    late = identity.create_key("ada", "late", utc_now() - timedelta(seconds=1))
    early = identity.create_key("ada", "early", utc_now() + timedelta(hours=1))
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(late)
    assert identity.authenticate_key(early).name == "ada"


@pytest.mark.parametrize("name", ["", " ", "a\x1b[31mb", "a\x00b", "a\u202eb", "a\nb"])
def test_a_key_has_a_name_that_can_be_seen(identity: Identity, name: str) -> None:
    """Users name keys, and admins see the list on their terminals."""
    identity.create_user("ada", Role.USER)
    with pytest.raises(InvalidName, match="name of a key"):
        identity.create_key("ada", name)


def test_a_list_of_keys_tells_which_are_over(identity: Identity) -> None:
    """Expired ones open nothing, as revoked ones do."""
    identity.create_user("ada", Role.USER)
    for name, hours in (("early", 1), ("late", -1)):
        identity.create_key("ada", name, utc_now() + timedelta(hours=hours))
    identity.revoke_key(identity.create_key("ada", "gone")[:11])
    states = {key.name: key.state for key in identity.list_keys("ada")}
    assert states == {"early": "active", "late": "expired", "gone": "revoked"}


@pytest.mark.parametrize("key", ["", "my_", "my_" + "x" * 43, "ключ", "\ud800", "x" * 100_000])
def test_unknown_keys_are_refused(identity: Identity, key: str) -> None:
    """Whatever the text, it is no error but a refusal."""
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(key)


def test_a_password_opens_a_session(identity: Identity) -> None:
    """The token names its user, and the hash is argon2id."""
    identity.create_user("ada", Role.USER, PASSWORD)
    caller = identity.authenticate_token(identity.login("ada", PASSWORD))
    assert caller.name == "ada"
    with identity.db.read() as session:
        stored = session.scalars(select(UserRow.password_hash)).one()
    assert stored
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong password"), ("bob", PASSWORD), ("a\0", PASSWORD), ("ada", "\ud800" * 1000)],
)
def test_a_wrong_login_says_nothing_about_what_was_wrong(
    identity: Identity, name: str, password: str
) -> None:
    """Unknown user and wrong password read the same."""
    identity.create_user("ada", Role.USER, PASSWORD)
    with pytest.raises(NotAuthenticated, match=r"^No valid API key, session or password"):
        identity.login(name, password)


def test_a_user_without_password_cannot_log_in(identity: Identity) -> None:
    """Not even with the text the comparison is made against."""
    identity.create_user("robot", Role.SERVICE)
    for password in ("", "nobody's password"):
        with pytest.raises(NotAuthenticated):
            identity.login("robot", password)


def test_a_disabled_user_is_out_at_once_and_may_come_back(identity: Identity) -> None:
    """Keys, sessions and logins stop; enabled again, the key works and the old session does not."""
    identity.create_user("ada", Role.USER, PASSWORD)
    key = identity.create_key("ada", "k")
    token = identity.login("ada", PASSWORD)
    identity.set_disabled("ada", disabled=True)
    for attempt in (
        lambda: identity.authenticate_key(key),
        lambda: identity.authenticate_token(token),
        lambda: identity.login("ada", PASSWORD),
    ):
        with pytest.raises(NotAuthenticated):
            attempt()
    assert identity.list_users()[0].disabled
    identity.set_disabled("ada", disabled=False)
    assert identity.authenticate_key(key).name == "ada"
    with pytest.raises(NotAuthenticated):
        identity.authenticate_token(token)


def test_the_last_admin_stays(identity: Identity) -> None:
    """One who is disabled is none; with another one the first may go."""
    key = identity.first_admin()
    assert key
    identity.create_user("root", Role.ADMIN, PASSWORD)
    identity.set_disabled("root", disabled=True)
    with pytest.raises(LastAdmin, match="users add"):
        identity.set_disabled("admin", disabled=True)
    assert identity.authenticate_key(key).name == "admin"
    identity.set_disabled("root", disabled=False)
    identity.set_disabled("admin", disabled=True)
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(key)


def test_two_admins_cannot_disable_each_other_at_the_same_time(identity: Identity) -> None:
    """Of two changes the second one sees the first."""
    identity.create_user("ada", Role.ADMIN)
    identity.create_user("bob", Role.ADMIN)
    refused: list[str] = []
    both = threading.Barrier(2)

    def disable(name: str) -> None:
        both.wait(60)
        try:
            identity.set_disabled(name, disabled=True)
        except LastAdmin:
            refused.append(name)

    threads = [threading.Thread(target=disable, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert len([user for user in identity.list_users() if not user.disabled]) == 1


def test_a_new_password_ends_open_sessions(identity: Identity) -> None:
    """The session from before is refused, one from the same second after it is good."""
    identity.create_user("ada", Role.USER, PASSWORD)
    old = identity.login("ada", PASSWORD)
    identity.set_password("ada", "another password")
    with pytest.raises(NotAuthenticated):
        identity.authenticate_token(old)
    new = identity.login("ada", "another password")
    assert identity.authenticate_token(new).name == "ada"


_GOOD = {"iss": "modelyard", "aud": "modelyard", "iat": 1, "exp": 9e9, "jti": "1", "sub": "1"}


@pytest.mark.parametrize("missing", sorted(_GOOD))
def test_a_token_needs_every_claim(identity: Identity, missing: str) -> None:
    """A token we signed ourselves still needs issuer, audience, times, id and subject."""
    claims = {name: value for name, value in _GOOD.items() if name != missing}
    _refuses(identity, jwt.encode(claims, SECRET, algorithm="HS256"))


@pytest.mark.parametrize(
    "wrong", [{"iss": "other"}, {"aud": "other"}, {"exp": 2}, {"iat": 8e9}, {"sub": "nobody"}]
)
def test_a_token_with_a_wrong_claim_is_refused(
    identity: Identity, wrong: dict[str, object]
) -> None:
    """Issuer, audience, times and subject are all checked."""
    _refuses(identity, jwt.encode({**_GOOD, **wrong}, SECRET, algorithm="HS256"))


def test_other_algorithms_and_keys_are_refused(identity: Identity) -> None:
    """No algorithm but ours, no key but ours, no unsigned token."""
    _refuses(identity, jwt.encode(_GOOD, SECRET * 2, algorithm="HS512"))
    _refuses(identity, jwt.encode(_GOOD, "t" * 32, algorithm="HS256"))
    _refuses(identity, jwt.encode(_GOOD, "", algorithm="none"))
    for text in ("", "a.b.c", "\ud800", "x" * 10_000):
        _refuses(identity, text)


def _refuses(identity: Identity, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        identity.authenticate_token(token)


def test_names_and_passwords_are_checked(identity: Identity) -> None:
    """A taken or odd name, a short or endless password: each with its own error."""
    identity.create_user("ada", Role.USER)
    with pytest.raises(AlreadyExists, match="ada"):
        identity.create_user("ada", Role.ADMIN)
    for name in ("", " ada", "a" * 101, "ada\n", "../x"):
        with pytest.raises(InvalidName):
            identity.create_user(name, Role.USER)
    for password in ("short", "x" * 257):
        with pytest.raises(InvalidPassword, match=str(len(password))):
            identity.set_password("ada", password)
    for unknown in (
        lambda: identity.create_key("bob", "k"),
        lambda: identity.set_password("bob", PASSWORD),
        lambda: identity.set_disabled("bob", disabled=True),
        lambda: identity.revoke_key("my_none"),
    ):
        with pytest.raises(UnknownUser):
            unknown()


def test_the_secret_is_not_in_the_text_of_the_object(identity: Identity) -> None:
    """A log line with it tells nothing."""
    assert SECRET not in repr(identity)
