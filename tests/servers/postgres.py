"""A real PostgreSQL on loopback for one test session; where the tests are root, it is not."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from modelyard.registry.process.ports import choose_port

_START_WITHIN_S = 120.0
_DURABLE = ("max_connections=200",)
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")

_INITDB = ("-U", "modelyard", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; `pid` is its first process."""

    port: int
    pid: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://modelyard@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> str:
        """A new database, as its URL."""
        self._run(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        self._run(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Each of its processes stands still in the block, its connections open (SIGSTOP)."""
        first = psutil.Process(self.pid)
        first.suspend()  # before its children are counted: it starts no more
        all_of_it = [first, *first.children()]
        for process in all_of_it:
            process.suspend()
        try:
            yield
        finally:
            for process in all_of_it:
                process.resume()

    def connections(self) -> int:
        """How many clients it has, but for the one that asks."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            counted = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            ).fetchone()
        assert counted is not None
        return int(counted[0]) - 1

    def answers(self) -> bool:
        try:
            psycopg.connect(self._address).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _address(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=modelyard dbname=postgres"


@contextmanager
def running_postgres(*, durable: bool = False) -> Generator[Postgres]:
    """Start a fresh server, end it and remove its files; a durable one writes as in production."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-pg-"))
    try:
        account = _account()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        _initialise(folder, account)
        with _serving(folder, account, _DURABLE if durable else _FAST) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def _initialise(folder: Path, account: pwd.struct_passwd | None) -> None:
    made = subprocess.run(
        [*_as(account), str(programs() / "initdb"), "-D", str(folder / "data"), *_INITDB],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if made.returncode != 0:
        raise RuntimeError(f"initdb failed: {made.stderr}")


@contextmanager
def _serving(
    folder: Path, account: pwd.struct_passwd | None, how: Sequence[str]
) -> Generator[Postgres]:
    port = choose_port(0, "")
    options = ("listen_addresses=127.0.0.1", f"port={port}", *how)
    options = (*options, f"unix_socket_directories={folder}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_as(account), str(programs() / "postgres"), "-D", str(folder / "data")]
            + [f"--{option}" for option in options],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    server = Postgres(port, process.pid)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing here is to be kept
        process.wait(60)


def _wait(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_WITHIN_S
    while not server.answers():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"PostgreSQL does not start:\n{log.read_text()}")
        time.sleep(0.02)


def programs() -> Path:
    """Where initdb and postgres are; a machine without them fails the tests."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = on_path or (debian[-1] if debian else None)
    if found is None:
        raise RuntimeError("These tests need PostgreSQL: apt-get install postgresql.")
    return Path(found).resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as where we are root, which it refuses to be."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as(account: pwd.struct_passwd | None) -> list[str]:
    if account is None:
        return []
    ids = ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    return ["setpriv", *ids, "--pdeathsig", "QUIT"]
