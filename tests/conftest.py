"""The order of all tests, and what each may ask for: migrated databases of both kinds."""

import ctypes
import shutil
import signal
import sys
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from modelyard.registry.database import Database
from modelyard.registry.migrate import migrate
from tests.scheduling import LongestFirst, longest_first
from tests.servers.postgres import Postgres, running_postgres

_TEMPLATE = "modelyard_template"

settings.register_profile(
    "modelyard",
    deadline=None,  # a busy machine is no fault
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("modelyard")


_DEFAULT_FLOATS = ctypes.c_void_p(-1)  # FE_DFL_ENV of glibc and musl


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="Run the invariants at full length.")
    parser.addoption("--seed", help="Run a simulation's one seed again.")


def pytest_configure(config: pytest.Config) -> None:
    """At full length a test may take hours; and Ctrl-C is Ctrl-C, however the tests were started.

    A shell starts background jobs with SIGINT ignored, and every child would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--soak"):
        config.option.timeout = 7200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


def pytest_runtest_setup() -> None:
    """Each test begins with the floating point of a new process.

    An ONNX session of ours treats subnormal numbers as zero, and ONNX Runtime sets that in the
    thread that runs it for good: in an engine rightly, in the process of the tests for all others.
    """
    if sys.platform == "linux":
        assert ctypes.CDLL(None).fesetenv(_DEFAULT_FLOATS) == 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst:
    return LongestFirst(config, log)


@pytest.fixture(scope="session")
def full_length(pytestconfig: pytest.Config) -> int:
    """How many times longer than usual an invariant is tried: 1, or 20 with --soak."""
    return 20 if pytestconfig.getoption("--soak") else 1


@pytest.fixture(scope="session")
def postgres() -> Generator[Postgres]:
    """A PostgreSQL server of our own; a machine that has none fails."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """The name of a migrated database to copy."""
    _migrate(postgres.create(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str) -> Generator[str]:
    """A migrated PostgreSQL database for one test."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create(name, postgres_template)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database for one test."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'modelyard.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either kind for one test."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(kind))


@pytest.fixture
def db(database_url: str) -> Generator[Database]:
    """The same test runs on both kinds of database."""
    database = Database.connect(database_url)
    yield database
    database.close()


def _migrate(url: str) -> None:
    database = Database.connect(url)
    migrate(database)
    database.close()
