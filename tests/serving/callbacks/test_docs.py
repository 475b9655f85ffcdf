"""The receiver of docs/callbacks.md takes what is ours and refuses everything else."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelyard.registry.callbacks.book import CallbackBook
from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.database import Database
from modelyard.registry.process.ports import choose_port
from modelyard.serving.background_task import background_task
from tests.serving.callbacks.sending import KEY, sender_of
from tests.serving.callbacks.told import entered, until

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[3] / "docs" / "callbacks.md"


@contextmanager
def receiver(secret: str, port: int) -> Generator["subprocess.Popen[str]"]:
    """The program as it stands there."""
    [program] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(port)],
        env=os.environ | {"SECRET": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_the_receiver_verifies(sqlite_url: str) -> None:
    """One that is signed with another user's secret is answered 400, and tried again."""
    db = Database.connect(sqlite_url)
    secret = CallbackSecrets(db, Seal(KEY)).make("ada")[1]
    port = choose_port(0, "port")
    with receiver(secret, port) as process:
        await until(lambda: _listens(port))
        [told] = entered(db, f"http://127.0.0.1:{port}/")
        entered(db, f"http://127.0.0.1:{port}/", user_id="bob")
        async with background_task(sender_of(db).run()):
            await until(lambda: all(view.tries for view in CallbackBook(db).newest(None)))
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
    statuses = {view.user_id: view.tries[0].status for view in CallbackBook(db).newest(None)}
    db.close()
    assert statuses == {"ada": 204, "bob": 400}
    assert line.split() == [told, "request.failed"]


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
