"""`modelyard users` and `modelyard keys`."""

import subprocess
import sys

import pytest

from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import NotAuthenticated
from tests.serving.cli.shell import Shell
from tests.serving.installation import METRICS_TOKEN, Installation


def test_a_user_is_added_listed_and_can_log_in(shell: Shell, installation: Installation) -> None:
    """The password comes from standard input and is never shown."""
    added = shell.run("users", "add", "bob", "--password-stdin", typed="long enough words\n")
    assert added.code == 0
    assert "long enough" not in added.said
    users = shell.run("users", "list", "--json").json()
    assert [user["name"] for user in users] == ["ada", "admin", "bob"]
    assert "bob" in shell.run("users", "list").said
    assert installation.identity.login("bob", "long enough words")


def test_a_password_is_asked_for_twice(shell: Shell, installation: Installation) -> None:
    """Two different ones are asked for again."""
    typed = "long enough words\nanother one here\nlong enough words\nlong enough words\n"
    assert shell.run("users", "set-password", "ada", typed=typed).code == 0
    assert installation.identity.login("ada", "long enough words")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("users", "add", "ada", "--no-password"), 5, "ada"),
        (("users", "add", "no good", "--no-password"), 2, "no good"),
        (("users", "add", "bob", "--password-stdin"), 2, "password"),
        (("users", "set-password", "bob", "--password-stdin"), 2, "password"),
        (("users", "disable", "bob"), 4, "bob"),
        (("users", "disable", "admin"), 5, "last admin"),
        (("keys", "create", "bob"), 4, "bob"),
        (("keys", "revoke", "my_nothing"), 4, "my_nothing"),
        (("users", "add", "bob", "--role", "king"), 2, "king"),
        (("keys", "create", "ada", "--expires-days", "0"), 2, "expires-days"),
        (("users", "add", "bob", "--no-password", "--password-stdin"), 2, "exclude each other"),
        (("users", "quota", "ada", "--expires", "2020-01-31"), 2, "--expires 2020-01-31 is over"),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(
    shell: Shell, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """2: wrong input, 4: not there, 5: there already; the message names the thing."""
    ended = shell.run(*arguments, typed="short\n")
    assert ended.code == code
    assert words in ended.said


def test_a_disabled_user_is_out_until_enabled(shell: Shell, installation: Installation) -> None:
    """Keys stop and start working with their user."""
    assert shell.run("users", "disable", "ada").code == 0
    with pytest.raises(NotAuthenticated):
        installation.identity.authenticate_key(installation.ada)
    assert shell.run("users", "enable", "ada").code == 0
    assert installation.identity.authenticate_key(installation.ada).name == "ada"


def test_a_key_is_shown_once_listed_by_prefix_and_revoked(
    shell: Shell, installation: Installation
) -> None:
    """The list never has the key itself."""
    made = shell.run("keys", "create", "ada", "--name", "laptop", "--expires-days", "9", "--json")
    key = made.json()["key"]
    assert installation.identity.authenticate_key(key).name == "ada"
    listed = shell.run("keys", "list", "--user", "ada", "--json")
    assert key not in listed.said
    assert [k["name"] for k in listed.json()] == ["test", "laptop"]
    assert shell.run("keys", "revoke", key[:11]).code == 0
    with pytest.raises(NotAuthenticated):
        installation.identity.authenticate_key(key)
    assert "revoked" in shell.run("keys", "list").said


def test_a_plain_key_is_alone_on_its_line(shell: Shell, installation: Installation) -> None:
    """So that it can be copied, or read by a script."""
    line = shell.run("keys", "create", "ada").said.strip().splitlines()[-1]
    assert installation.identity.authenticate_key(line).name == "ada"


def test_the_token_for_the_measures_is_shown(shell: Shell) -> None:
    """Alone on its line, for a file that Prometheus reads."""
    assert shell.run("keys", "metrics").said == f"{METRICS_TOKEN}\n"


def test_a_removed_user_is_gone_with_every_key(shell: Shell, installation: Installation) -> None:
    """Unless that leaves nobody in charge, or models without their owner."""
    assert shell.run("users", "remove", "ada", typed="n\n").code == 1
    installation.private("ada/secret", installation.ada)
    owner = shell.run("users", "remove", "ada", "--yes")
    assert owner.code == 5
    assert "ada/secret" in owner.said
    last = shell.run("users", "remove", "admin", "--yes")
    assert last.code == 5
    assert "last admin" in last.said
    assert shell.run("users", "remove", "nobody", "--yes").code == 4
    installation.filled.catalog.remove(ModelRef("ada/secret"))
    assert shell.run("users", "remove", "ada", typed="y\n").code == 0
    assert [user["name"] for user in shell.run("users", "list", "--json").json()] == ["admin"]
    with pytest.raises(NotAuthenticated):
        installation.identity.authenticate_key(installation.ada)


def test_without_a_terminal_no_password_is_asked_for(shell: Shell) -> None:
    """A script is told what to do instead, rather than a warning of Python's and "Aborted"."""
    assert shell.commands  # its environment names an installation of the test's own
    ended = subprocess.run(
        [sys.executable, "-m", "modelyard.serving.cli.main", "users", "add", "bob"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "--password-stdin" in ended.stderr
    assert "Warning" not in ended.stderr


def test_a_list_without_keys_tells_whose(shell: Shell) -> None:
    """Others may well have keys."""
    assert "nobody has no key" in shell.run("keys", "list", "--user", "nobody").said
