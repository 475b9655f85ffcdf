"""A registration is all or nothing, whoever dies in the middle, and the same again ends it."""

import itertools
from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.registry.errors import MlflowUnavailable
from tests.flows.registration.processes import Forks, KillableRegistration, running_forks
from tests.flows.registration.registration import Seen, register
from tests.servers.mlflow import MlflowProxy, MlflowServer, proxy_before, running_mlflow

pytestmark = [pytest.mark.slow(seconds=130), pytest.mark.timeout(600)]
POINTS = 10
"""How many of the steps of a registration it is killed at, evenly spread."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def proxy(
    server: MlflowServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[MlflowProxy]:
    """MLflow behind a proxy, and the settings that lead there."""
    with proxy_before(server) as proxy:
        monkeypatch.setenv("MODELYARD_DATA_DIR", str(data))
        monkeypatch.setenv("MODELYARD_MLFLOW_URI", proxy.url)
        yield proxy


def test_mlflow_is_killed_at_each_of_its_changes(proxy: MlflowProxy) -> None:
    """Before it has made it, or before it says so: nothing is seen, or all, and then all."""
    register("ada/first")
    proxy.changes.clear()
    register("ada/second")
    Seen.of("ada/second").check_whole()
    steps = [path.partition("/mlflow/")[2] for path in proxy.changes]
    assert steps[-2:] == ["model-versions/create", "registered-models/alias"]
    for number, done in itertools.product(range(1, len(steps) + 1), (False, True)):
        registered = _cut_at(proxy, f"ada/{number}-{done}", number, done=done)
        assert registered == (steps[number - 1] == "registered-models/alias"), steps[number - 1]


def _cut_at(proxy: MlflowProxy, model: str, number: int, *, done: bool) -> bool:
    """Whether a registration got through all the same; what is seen before and after the next."""
    proxy.changes.clear()
    proxy.kill_at = (number, done)
    try:
        register(model)
        registered = True
    except MlflowUnavailable:
        registered = False
    assert proxy.kill_at is None, "MLflow was killed"
    proxy.server.start()
    if registered:
        Seen.of(model).check_registered()
    else:
        Seen.of(model).check_nothing()
    register(model)
    Seen.of(model).check_whole()
    return registered


@pytest.fixture(scope="module")
def forks(server: MlflowServer, data: Path) -> Generator[Forks]:
    with running_forks(server.url, data) as forks:
        yield forks


def test_the_process_is_killed_at_many_points(
    forks: Forks, full_length: int, proxy: MlflowProxy
) -> None:
    """Anywhere in our own code: nothing is seen, or all, and the same again makes it all."""
    (steps,) = forks.run(KillableRegistration("ada/undisturbed"))
    assert steps is not None
    every = max(1, steps // (POINTS * full_length))
    for die_at in range(1, steps + 1, every):
        model = f"ada/killed-at-{die_at}"
        assert forks.run(KillableRegistration(model, die_at=die_at)) == [None]
        if (seen := Seen.of(model)).versions:
            seen.check_registered()
        else:
            seen.check_nothing()
        assert forks.run(KillableRegistration(model)) != [None]
        Seen.of(model).check_whole()


def test_of_many_at_once_one_is_champion(forks: Forks, proxy: MlflowProxy) -> None:
    """Four builds of one model, each twice: four versions, one champion, one candidate."""
    model = "ada/crowd"
    ends = forks.run(*(KillableRegistration(model, content=f"build {n % 4}") for n in range(8)))
    assert None not in ends
    seen = Seen.of(model)
    assert [version.number for version in seen.versions] == [4, 3, 2, 1]
    aliases = {alias: v.mlflow_version for v in seen.versions for alias in v.aliases}
    assert aliases.keys() == {"champion", "candidate"}
    assert seen.mlflow_aliases == aliases
