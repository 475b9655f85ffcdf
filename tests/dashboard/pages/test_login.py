"""The login page answers every try with a sentence."""

from streamlit.testing.v1 import AppTest

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.session import DashboardSession


def login_page(gateway: GatewayClient) -> AppTest:
    # Streamlit takes this function's text alone: names of this module are unknown to it.
    def page(gateway: "GatewayClient") -> None:
        from modelyard.dashboard.pages import login

        login.show(gateway)

    anybody = {"gateway": gateway.using("")}
    return AppTest.from_function(page, kwargs=anybody).run(timeout=120)


def test_empty_fields_are_told_before_anybody_is_asked(nobody_yet: DashboardSession) -> None:
    """A click too early costs no request."""
    page = login_page(nobody_yet.gateway)
    page.button[1].click().run(timeout=120)
    assert page.error[0].value == "Please fill in every field."


def test_a_wrong_password_does_not_say_which_part_was_wrong(nobody_yet: DashboardSession) -> None:
    """Whether a name exists is nobody's business."""
    page = login_page(nobody_yet.gateway)
    page.text_input[1].input("nobody")
    page.text_input[2].input("wrong")
    page.button[1].click().run(timeout=120)
    assert page.error[0].value == "The name or the password is wrong."


def test_a_gateway_that_is_away_is_told_at_the_login() -> None:
    """The address is in the message, so that a wrong one is seen."""
    away = GatewayClient.at("http://127.0.0.1:9")
    page = login_page(away)
    page.text_input[0].input("my_key")
    page.button[0].click().run(timeout=120)
    away.http.close()
    assert "does not answer" in page.warning[0].value


def test_a_key_that_no_header_can_carry_is_unknown(nobody_yet: DashboardSession) -> None:
    """A slip of the clipboard is a wrong key, not an error of ours."""
    page = login_page(nobody_yet.gateway)
    page.text_input[0].input("clé")
    page.button[0].click().run(timeout=120)
    assert page.error[0].value == "This API key is unknown, expired or revoked."


def test_a_right_key_logs_in(nobody_yet: DashboardSession) -> None:
    """The session holds the login, on the server."""
    page = login_page(nobody_yet.gateway)
    page.text_input[0].input(nobody_yet.gateway.credential)
    page.button[0].click().run(timeout=120)
    assert page.session_state["login"].me.name == "admin"
