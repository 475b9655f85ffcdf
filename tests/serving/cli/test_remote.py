"""Where a gateway elsewhere is set, no command works on an installation here in silence."""

import shutil
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from modelyard.registry.cards.card import Card
from modelyard.registry.cards.index import open_index
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.orders import OrderBook, OrderKind, OrderState, RunOrder
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.serving.cli.every_command import ARGUMENTS, commands, line, paths
from tests.serving.cli.shell import Shell
from tests.serving.installation import NOBODY, Installation, device_report, open_installation
from tests.serving.processes import GatewayProcess, environment, gateway_process

HERE = {("up",), ("gateway",), ("dispatcher",), ("dashboard",), ("doctor",)}
"""These start something here, or look at this machine, whatever gateway there is elsewhere."""


@pytest.fixture(scope="module")
def installation(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Installation]:
    folder = tmp_path_factory.mktemp("elsewhere")
    file = shutil.copy(sqlite_template, folder / "modelyard.db")
    with open_installation(f"sqlite:///{file}", folder) as installation:
        installation.filled.add("owner/name")
        installation.worker("GPU-5a", alias="gpu-0", name="NVIDIA L4")
        yield installation


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Generator[GatewayProcess]:
    folder = installation.settings.data_dir
    with gateway_process(environment(folder), folder) as gateway:
        yield gateway


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home without anything of ours."""
    for name in ("MODELYARD_DATA_DIR", "MODELYARD_DATABASE_URL", "MODELYARD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def remote(
    home: Path, gateway: GatewayProcess, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """The command of somebody who has a gateway's address and a key, and nothing here."""
    installation.fleet.heartbeat("GPU-5a", device_report(gpu_id="GPU-5a", alias="gpu-0"))
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("MODELYARD_API_KEY", installation.admin)
    return Shell.wide(commands(), monkeypatch)


@pytest.mark.parametrize("path", [p for p in paths() if p not in HERE], ids=" ".join)
def test_every_command_asks_a_gateway_elsewhere_or_says_that_it_is_local(
    path: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers at that gateway (10), or the command refuses (2); no file is made here."""
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", NOBODY)
    monkeypatch.setenv("MODELYARD_API_KEY", "my_key")
    ended = Shell.wide(commands(), monkeypatch).run(*line(path))
    if path != ("config",):
        assert (ended.code, "MODELYARD_GATEWAY_URL" in ended.said) == (2, True) or (
            ended.code,
            NOBODY in ended.said,
        ) == (10, True), ended
    assert [*home.iterdir()] == []


def test_every_command_that_needs_arguments_has_them_here() -> None:
    """Else the rules for all commands would only try their parsers."""
    assert set(ARGUMENTS) <= set(paths())


def test_models_and_devices_of_a_gateway_elsewhere_are_shown(remote: Shell, home: Path) -> None:
    """As tables and as the JSON that the same commands print on its machine."""
    assert "owner/name@1" in remote.run("models", "list").said
    (model,) = remote.run("models", "list", "--json").json()
    assert model["name"] == "owner/name"
    shown = remote.run("models", "show", "owner/name@champion", "--json").json()
    assert shown["sha256"] == model["versions"][0]["sha256"]
    assert remote.run("models", "show", "owner/nobody").code == 4
    assert "GPU-5a" in remote.run("gpus", "list").said
    assert [*home.iterdir()] == []


def test_an_admin_orders_through_the_gateway(remote: Shell, installation: Installation) -> None:
    """Promotions, maintenance and cleared faults reach the registry there."""
    second = installation.filled.add("owner/name")
    promoted = remote.run("models", "promote", second.ref, "--no-wait")
    assert promoted.code == 0, promoted.said
    assert second.ref in promoted.said
    assert remote.run("gpus", "maintenance", "gpu-0", "--reason", "new fan").code == 0
    assert remote.run("gpus", "clear", "GPU-5a").code == 0
    assert remote.run("gpus", "clear", "gpu-7").code == 4


def test_who_is_no_admin_is_refused_by_the_gateway(
    remote: Shell, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key decides, not who may write files somewhere."""
    monkeypatch.setenv("MODELYARD_API_KEY", installation.ada)
    assert remote.run("gpus", "maintenance", "gpu-0").code == 6


def test_an_installation_that_is_named_wins(
    remote: Shell, installation: Installation, tmp_path: Path
) -> None:
    """`--data` means the files there, also where a gateway elsewhere is set."""
    ended = remote.run("--data", str(tmp_path / "here"), "users", "list")
    assert ended.code == 0
    assert "no users yet" in ended.said


def test_users_keys_and_quotas_of_a_gateway_elsewhere_are_as_at_home(
    remote: Shell, installation: Installation, home: Path
) -> None:
    """Each command prints there what it prints on the gateway's machine, and does the same."""
    added = remote.run("users", "add", "grace", "--no-password", "--json").json()
    here = next(user for user in installation.identity.list_users() if user.name == "grace")
    assert added == {**asdict(here), "created_at": str(here.created_at)}
    assert added in remote.run("users", "list", "--json").json()
    assert remote.run("users", "add", "grace", "--no-password").code == 5
    assert remote.run("users", "set-password", "grace", "--password-stdin", typed="short").code == 2
    word = "correct horse battery staple"
    assert remote.run("users", "set-password", "grace", "--password-stdin", typed=word).code == 0
    assert installation.identity.login("grace", word)
    assert remote.run("users", "disable", "grace").said == "grace is disabled.\n"
    assert installation.identity.user(here.id).disabled
    assert remote.run("users", "enable", "grace").code == 0
    quota = remote.run("users", "quota", "grace", "--request-limit", "7", "--json").json()
    assert (quota["user_id"], quota["request_limit"], "period" in quota) == (here.id, 7, False)
    assert "of 7" in remote.run("users", "quota", "grace").said
    made = remote.run("keys", "create", "grace", "--expires-days", "9", "--json").json()
    assert installation.identity.authenticate_key(made["key"]).name == "grace"
    (key,) = remote.run("keys", "list", "--user", "grace", "--json").json()
    assert remote.run("keys", "revoke", key["prefix"]).said == "Revoked.\n"
    (revoked,) = installation.identity.list_keys("grace")
    assert revoked.revoked_at is not None
    assert remote.run("users", "remove", "grace", "--yes").said == "Removed grace.\n"
    for words in (("users", "remove", "grace", "--yes"), ("users", "quota", "grace")):
        assert remote.run(*words).code == 4
    assert remote.run("keys", "revoke", "my_nobody").code == 4
    assert [*home.iterdir()] == []


def test_a_search_elsewhere_finds_what_the_key_may_see(
    remote: Shell, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cards of private models are their owner's and admins'; the others are found all the same."""
    index = open_index(installation.settings)
    public = installation.filled.add("owner/poet")
    secret = installation.private("admin/poet", installation.admin)
    for version in (public, secret):
        index.upsert(Card.of(version, "Writes verse by night."))
    found = remote.run("models", "search", "verse", "--json").json()
    assert {hit["model"] for hit in found} == {"owner/poet", "admin/poet"}
    monkeypatch.setenv("MODELYARD_API_KEY", installation.ada)
    found = remote.run("models", "search", "verse", "--limit", "1", "--json").json()
    assert [hit["model"] for hit in found] == ["owner/poet"]
    assert remote.run("models", "search", "").code == 2


@contextmanager
def flows(installation: Installation, settle: Callable[[RunOrder], None]) -> Generator[None]:
    """What the flows' process does with the orders that come in."""
    processes = FlowProcesses(installation.database)
    book = OrderBook(installation.database)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.05):
            for order in book.waiting():
                settle(order)

    processes.beat("a process")
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        processes.leave("a process")


def test_models_are_added_and_removed_by_the_flows_elsewhere(
    remote: Shell, installation: Installation, home: Path
) -> None:
    """The command follows the run to its end, and ends as the run does."""
    book = OrderBook(installation.database)
    add = ("models", "add", "owner/poem", "--quantize", "Q8_0")
    for words in (add, ("models", "remove", "owner/name", "--yes")):
        away = remote.run(*words)
        assert (away.code, "modelyard flows" in away.said) == (10, True), away
    ends = iter([(RunState.COMPLETED, "Registered owner/poem@1."), (RunState.FAILED, "No file.")])

    def settle(order: RunOrder) -> None:
        book.settle(order.id, OrderState.DONE, "", order.id)
        if order.kind is OrderKind.INGEST:
            with RunBoard(installation.database).start("ingest", order.subject, order.id) as run:
                run.finish(*next(ends))

    with flows(installation, settle):
        added = remote.run(*add)
        assert (added.code, "Registered owner/poem@1." in added.said) == (0, True), added
        failed = remote.run(*add)
        assert (failed.code, "No file." in failed.said) == (1, True), failed
        assert remote.run("models", "remove", "owner/name", "--yes").said == "Forgot owner/name.\n"
    assert remote.run("models", "remove", "owner/nobody", "--yes").code == 4
    assert remote.run(*add, "--eval-text", "a.txt").code == 2
    assert remote.run("models", "unload", "owner/name").said == "owner/name@1 is not loaded.\n"
    assert [*home.iterdir()] == []


def test_runs_elsewhere_are_cancelled_and_repeated(
    remote: Shell, installation: Installation
) -> None:
    """By the beginning of an id; what Prefect refuses is this command's error."""
    book = OrderBook(installation.database)
    board = RunBoard(installation.database)

    def settle(order: RunOrder) -> None:
        if order.kind is OrderKind.CANCEL:
            book.settle(order.id, OrderState.REFUSED, "Prefect does not cancel it.")
        else:
            book.settle(order.id, OrderState.DONE, "", "p9")

    with flows(installation, settle), board.start("ingest", "ada/m@main", "p8") as run:
        refused = remote.run("runs", "cancel", run.id[:13])
        assert (refused.code, "Prefect does not cancel it." in refused.said) == (1, True), refused
        assert remote.run("runs", "retry", run.id).code == 5, "it goes on"
        run.finish(RunState.FAILED)
        assert "ada/m@main begins again" in remote.run("runs", "retry", run.id).said
        assert remote.run("runs", "retry", "no-such").code == 4
