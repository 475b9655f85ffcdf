"""`modelyard users quota`."""

from tests.serving.cli.shell import Shell
from tests.serving.installation import Installation


def test_a_quota_is_shown_and_only_what_is_named_is_set(
    shell: Shell, installation: Installation
) -> None:
    """What is not named stays; the count begins anew only when told."""
    assert "0 requests without a limit" in shell.run("users", "quota", "ada").said
    shell.run("users", "quota", "ada", "--request-limit", "100", "--expires", "2030-01-31")
    ended = shell.run("users", "quota", "ada", "--priority-limit", "2", "--gpu-limit", "1")
    assert ended.code == 0
    assert "of 100 until 2030-01-31 00:00 UTC, 1 GPUs at once, priority up to 2" in ended.said
    user_id = installation.identity.authenticate_key(installation.ada).user_id
    assert shell.run("users", "quota", "ada", "--never-expires", "--reset", "--json").json() == {
        "user_id": user_id,
        "gpu_limit": 1,
        "request_limit": 100,
        "request_count": 0,
        "priority_limit": 2,
        "expiration_time": None,
    }


def test_an_unknown_user_has_no_quota(shell: Shell, installation: Installation) -> None:
    """4: not there."""
    ended = shell.run("users", "quota", "bob")
    assert ended.code == 4
    assert "bob" in ended.said
