"""A ticket lets one listener in, once, soon, as long as its credential holds."""

from datetime import timedelta

import pytest

from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.grants import Grant, Grants
from modelyard.registry.identity.identity import Identity
from modelyard.registry.notices.notice import Topic
from modelyard.registry.notices.tickets import MOST_UNUSED, NoticeTicket, NoticeTickets

SECRET = "s" * 40
TICKET = NoticeTicket(Grant("ada", "a" * 64), frozenset({Topic.RUNS, Topic.ALERTS}))


def test_a_ticket_is_good_once(db: Database) -> None:
    """It brings what it was given for; a second use, and any other text, brings nothing."""
    tickets = NoticeTickets(db)
    text = tickets.issue(TICKET)
    assert tickets.redeem("x" + text) is None
    assert tickets.redeem(text) == TICKET
    assert tickets.redeem(text) is None
    assert tickets.redeem("\ud800") is None


def test_a_ticket_lapses(db: Database) -> None:
    """And what has lapsed does not stay in the table."""
    assert (
        NoticeTickets(db, life=timedelta(0)).redeem(
            NoticeTickets(db, life=timedelta(0)).issue(TICKET)
        )
        is None
    )
    NoticeTickets(db, life=timedelta(0)).issue(TICKET)
    NoticeTickets(db).issue(TICKET)
    assert NoticeTickets(db).unused() == 1


def test_a_user_has_so_many_unused_tickets_at_most(db: Database) -> None:
    """The oldest lapse, so that nobody fills the table; other users' stay."""
    tickets = NoticeTickets(db)
    others = tickets.issue(NoticeTicket(Grant("bob", "b" * 64), frozenset(Topic)))
    given = [tickets.issue(TICKET) for _ in range(MOST_UNUSED + 2)]
    assert tickets.unused() == MOST_UNUSED + 1
    assert tickets.redeem(given[0]) is None
    assert tickets.redeem(given[-1]) is not None
    assert tickets.redeem(others) is not None


@pytest.mark.parametrize("by", ["key", "session"])
def test_a_grant_ends_with_its_credential(db: Database, by: str) -> None:
    """A revoked key, a user who is disabled, a session that was ended; nothing else's grant."""
    identity = Identity(db, SECRET)
    grants = Grants(db, SECRET)
    identity.first_admin()
    user = identity.create_user("ada", Role.USER, "correct horse battery")
    other = grants.of(user.id, identity.create_key("ada", "other"))
    if by == "key":
        grant = grants.of(user.id, key := identity.create_key("ada", "k"))
        assert grants.still_hold([grant, other]).keys() == {grant, other}
        identity.revoke_key(key[:11])
    else:
        grant = grants.of(user.id, identity.login("ada", "correct horse battery"))
        assert grants.still_hold([grant, other]).keys() == {grant, other}
        identity.set_password("ada", "another horse battery")
    assert grants.still_hold([grant, other]).keys() == {other}
    identity.set_disabled("ada", disabled=True)
    assert grants.still_hold([grant, other]) == {}
