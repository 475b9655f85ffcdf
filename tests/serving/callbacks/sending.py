"""Processes that send what is due until they are killed."""

import asyncio
import importlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from modelyard.registry.callbacks.deliveries import Deliveries
from modelyard.registry.callbacks.schedule import AFTER
from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.database import Database
from modelyard.registry.secrets import callback_key
from modelyard.serving.callbacks.allowed_hosts import AllowedHosts
from modelyard.serving.callbacks.global_addresses import Address
from modelyard.serving.callbacks.network import CallbackNetwork
from modelyard.serving.callbacks.sender import CallbackSender

KEY = callback_key("s" * 40)
LEASE_S = 1.0
"""As short as a test can wait for, and longer than loopback takes."""


HOSTS = [f"h{number}.example" for number in range(200)]
"""Names that lead to loopback."""


async def loopback(host: str) -> list[Address]:
    await asyncio.sleep(0)
    return [ip_address("127.0.0.1")]


def sender_of(
    db: Database,
    *,
    lease_s: float = 20.0,
    whole_s: float = 5.0,
    after: Sequence[timedelta] = AFTER,
) -> CallbackSender:
    """A sender that may reach HOSTS."""
    allowed = AllowedHosts.of(",".join(["127.0.0.1", *HOSTS]))
    no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # they take long to load
    network = CallbackNetwork(allowed, loopback, no_certificates, whole_s)
    return CallbackSender(Deliveries(db, lease_s, after), CallbackSecrets(db, Seal(KEY)), network)


@dataclass(frozen=True, slots=True)
class Senders:
    """Starts processes that send, one after the other; all that they need is loaded already."""

    forking: "subprocess.Popen[str]"

    @classmethod
    @contextmanager
    def of(cls, database_url: str) -> Generator["Senders"]:
        command = [sys.executable, "-m", __name__, database_url]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as forking:
            try:
                yield cls(forking)
            finally:
                forking.kill()

    @contextmanager
    def sending(self) -> Generator[None]:
        """One sends while the block runs; then it is killed, whatever it does."""
        assert self.forking.stdin is not None
        assert self.forking.stdout is not None
        self.forking.stdin.write("start\n")
        self.forking.stdin.flush()
        process = int(self.forking.stdout.readline())
        try:
            yield
        finally:
            os.kill(process, signal.SIGKILL)
            assert self.forking.stdout.readline() == "ended\n"


def fork_on_demand(database_url: str) -> None:
    """What `Senders` speaks to."""
    for module in ("httpx2", "standardwebhooks", "sqlalchemy.dialects.postgresql.psycopg"):
        importlib.import_module(module)
    for _ in sys.stdin:
        process = os.fork()
        if not process:
            db = Database.connect(database_url)
            asyncio.run(sender_of(db, lease_s=LEASE_S).run())
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        os.waitpid(process, 0)
        sys.stdout.write("ended\n")
        sys.stdout.flush()


if __name__ == "__main__":
    fork_on_demand(sys.argv[1])
