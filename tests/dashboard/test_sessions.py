"""Sessions of the dashboard end, are bounded, and show nothing of their credential."""

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import DashboardSession, Sessions
from modelyard.serving.wire.admin.account import Me


def session(name: str = "ada") -> DashboardSession:
    gateway = GatewayClient.at("http://127.0.0.1:9").using("my_secret")
    return DashboardSession(Me(user_id="1", name=name, role="user"), gateway)


def test_a_session_is_found_until_its_time_is_over() -> None:
    """Nobody finds it by another name, and nobody afterwards."""
    now = 0.0
    sessions = Sessions(clock=lambda: now)
    name = sessions.begin(session(), 10.0)
    assert sessions.find(name) is not None
    assert sessions.find("") is None
    now = 10.0
    assert sessions.find(name) is None


def test_a_session_that_was_ended_is_gone() -> None:
    """And its name means nobody else: each session has one of its own."""
    sessions = Sessions()
    first, second = (sessions.begin(session()) for _ in range(2))
    sessions.end(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_the_oldest_session_leaves_where_there_are_too_many() -> None:
    """Logins without end take no memory without end."""
    sessions = Sessions(most=2)
    names = [sessions.begin(session(str(i))) for i in range(3)]
    assert [sessions.find(name) is not None for name in names] == [False, True, True]


def test_a_session_s_text_holds_no_credential() -> None:
    """What is logged of it tells who it is and no more."""
    sessions = Sessions()
    sessions.begin(session())
    assert "my_secret" not in repr(session()) + repr(sessions)
