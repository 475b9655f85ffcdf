"""`modelyard callbacks` shows what was told, sends it again, and keeps the signing secrets."""

import uuid

import pytest

from modelyard.registry.console import out
from tests.serving.cli.shell import Shell
from tests.serving.processes import until
from tests.serving.reached import MODEL, ReachedGateway

pytestmark = pytest.mark.slow(seconds=10)
URL = "https://gone.invalid/done"
"""A name that nobody has: each try fails."""


def test_a_callback_is_listed_and_sent_again(
    remote: Shell, reached: ReachedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its tries where one request is named; only an admin sends it again (else 6)."""
    words = ("requests", "submit", MODEL, "Hello", "--max-tokens", "3", "--wait", "--json")
    done = remote.run(*words, "--callback-url", URL).json()
    mine = ("callbacks", "list", "--subject", done["request_id"])
    until(lambda: remote.run(*mine, "--json").json()[0]["tries"])
    [callback] = remote.run(*mine, "--json").json()
    assert (callback["kind"], callback["url"]) == ("request.completed", URL)
    assert callback["tries"][0]["error"] in remote.run(*mine).said
    monkeypatch.setattr(out, "_width", 80)
    table = remote.run("callbacks", "list").said
    assert callback["id"] in table
    assert max(map(len, table.splitlines())) <= 80
    assert remote.run("callbacks", "list", "--subject", "none", "--json").json() == []
    assert remote.run("callbacks", "resend", callback["id"]).code == 6
    monkeypatch.setenv("MODELYARD_API_KEY", reached.admin)
    assert callback["id"] in remote.run("callbacks", "resend", callback["id"]).said
    assert remote.run("callbacks", "resend", "msg_none").code == 4


def test_a_secret_is_made_and_ended(remote: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is shown once; the list has its id and no text."""
    made = remote.run("callbacks", "secrets", "make", "--json").json()
    assert made["secret"].startswith("whsec_")
    assert "whsec_" in remote.run("callbacks", "secrets", "make").said
    monkeypatch.setattr(out, "_width", 80)
    table = remote.run("callbacks", "secrets", "list").said
    assert (made["id"] in table, "whsec_" in table) == (True, False)
    assert max(map(len, table.splitlines())) <= 80
    assert remote.run("callbacks", "secrets", "end", made["id"]).code == 0
    listed = remote.run("callbacks", "secrets", "list", "--json").json()
    assert made["id"] not in {each["id"] for each in listed}
    for missing in (made["id"], str(uuid.uuid4()), "../addresses"):
        assert remote.run("callbacks", "secrets", "end", missing).code == 4


def test_an_address_that_is_not_off_is_unknown(remote: Shell) -> None:
    """Nobody switches on those of others but admins (6)."""
    assert remote.run("callbacks", "addresses", "list").code == 0
    assert remote.run("callbacks", "addresses", "enable", "https://example.com/").code == 4
    words = ("callbacks", "addresses", "enable", "https://example.com/", "--user-id", "another")
    assert remote.run(*words).code == 6
