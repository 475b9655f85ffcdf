"""A process that sends what is due until it is killed."""

import asyncio
import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from multiprocessing.context import ForkServerContext

from modelyard.registry.callbacks.deliveries import Deliveries
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


def sender_of(db: Database, *, lease_s: float = 20.0, whole_s: float = 5.0) -> CallbackSender:
    """A sender that may reach HOSTS."""
    allowed = AllowedHosts.of(",".join(["127.0.0.1", *HOSTS]))
    network = CallbackNetwork(allowed, loopback, whole_s=whole_s)
    return CallbackSender(Deliveries(db, lease_s), CallbackSecrets(db, Seal(KEY)), network)


def send_for_ever(database_url: str) -> None:
    db = Database.connect(database_url)
    asyncio.run(sender_of(db, lease_s=LEASE_S).run())


def fork_server() -> ForkServerContext:
    """Starts processes that have all of this loaded; none of them shares anything with the test."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "httpx2", "standardwebhooks", "psycopg"])
    return context


@contextmanager
def sending(context: ForkServerContext, database_url: str) -> Generator[None]:
    """A process that sends until the block has ended; then it is killed, whatever it does."""
    process = context.Process(target=send_for_ever, args=(database_url,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        process.close()
