"""`modelyard usage`, `runs` and `logs` show what was, here and of a gateway elsewhere alike."""

from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.serving.cli.shell import Shell
from tests.serving.installation import Installation
from tests.serving.metering.rows import row


def test_usage_is_summed_by_day_user_and_model(shell: Shell, installation: Installation) -> None:
    """For people and as JSON, of all or of one user."""
    ada = installation.identity.authenticate_key(installation.ada).user_id
    UsageBook(installation.database).add([row(user_id=ada), row(user_id=ada, status="500")])
    (day,) = shell.run("usage", "--json").json()
    assert (day["user"], day["requests"], day["failed"]) == ("ada", 2, 1)
    assert day["output_tokens"] == 10
    assert "owner/talker" in shell.run("usage", "--user", "ada").said
    assert "No request" in shell.run("usage", "--user", "admin", "--days", "1").said


def test_runs_are_listed_and_one_is_shown_by_the_beginning_of_its_id(
    shell: Shell, installation: Installation
) -> None:
    """With the reason of its failure; what names none or several is refused."""
    board = RunBoard(installation.database)
    ids: list[str] = []
    for number in range(20):
        with board.start("ingest", f"owner/m{number}") as run:
            run.finish(RunState.FAILED, "the Hub does not answer")
            ids.append(run.id)
    assert ids[-1][:8] in shell.run("runs", "list").said
    assert len(shell.run("runs", "list", "--limit", "3", "--json").json()) == 3
    shown = shell.run("runs", "show", ids[0][:13])
    assert "the Hub does not answer" in shown.said
    assert shell.run("runs", "show", ids[0], "--json").json()["subject"] == "owner/m0"
    assert shell.run("runs", "show", "no-such").code == 4
    shared = next(i[0] for i in ids if sum(other[0] == i[0] for other in ids) > 1)
    assert "Several" in shell.run("runs", "show", shared).said


def test_the_end_of_a_service_s_log_is_printed(shell: Shell, installation: Installation) -> None:
    """As it was written; without a name there is the list."""
    folder = installation.settings.data_dir / "logs"
    assert shell.run("logs", "gateway").code == 4
    folder.mkdir()
    (folder / "gateway.log").write_text("".join(f"line {n} [red]\n" for n in range(100)))
    assert shell.run("logs", "gateway", "--lines", "2").said == "line 98 [red]\nline 99 [red]\n"
    assert "gateway" in shell.run("logs").said
    unknown = shell.run("logs", "gatewya")
    assert unknown.code == 4
    assert "gateway" in unknown.said
