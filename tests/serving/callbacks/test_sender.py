"""Everything that is due is sent: beside slow addresses, after failures, and after kills."""

from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from modelyard.registry.callbacks.book import CallbackBook
from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.database import Database
from modelyard.registry.secrets import callback_key
from modelyard.serving.background_task import background_task
from tests.serving.callbacks.receiver import Receiver
from tests.serving.callbacks.sending import HOSTS, KEY, Senders, sender_of
from tests.serving.callbacks.told import entered, states, until

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"


async def test_a_slow_address_keeps_nobody_waiting(db: Database) -> None:
    """A hundred that are never answered came first; they hold a few places and no more."""
    async with Receiver().listening() as receiver:
        entered(db, *[receiver.url(f"/hang/{n}", host=HOSTS[0]) for n in range(100)])
        entered(db, *[receiver.url("/hang", host=host) for host in HOSTS[1:100]])
        others = [receiver.url(f"/{n}", host=HOST) for n in range(20)]
        entered(db, *others, user_id="bob")
        sender = sender_of(db, whole_s=600)
        async with background_task(sender.run()):
            await until(lambda: states(db)[CallbackState.DELIVERED] == len(others))
            assert 0 < sender.places.users["ada"] <= sender.places.per_user
    assert states(db)[CallbackState.WAITING] == 199


async def test_500_is_tried_again_and_410_is_not(db: Database) -> None:
    """A redirect is a failure like any other; each try is written down with its status."""
    after = [timedelta(milliseconds=n) for n in range(10)]
    async with Receiver({"/a": [500, 503, 200], "/gone": [410]}).listening() as receiver:
        urls = [receiver.url(path, host=HOST) for path in ("/a", "/gone", "/moved")]
        again, gone, moved = entered(db, *urls)
        entered(db, receiver.url("/nowhere", host="127.0.0.1").replace(str(receiver.port), "9"))
        sender = sender_of(db, after=after)
        async with background_task(sender.run()):
            await until(lambda: CallbackState.WAITING not in states(db))
            await until(lambda: sender.stats.ended.total() == 4)
        nowhere, *_ = [v for v in CallbackBook(db).newest(None) if v.url.endswith("/nowhere")]
        views = {view.id: view for view in CallbackBook(db).newest(None)}
    tried = {key: [one.status for one in view.tries] for key, view in views.items()}
    assert tried == {
        again: [500, 503, 200],
        gone: [410],
        moved: [302] * 10,
        nowhere.id: [None] * 10,
    }
    assert states(db) == {CallbackState.DELIVERED: 1, CallbackState.FAILED: 3}
    assert str(nowhere.tries[0].error).startswith("no connection")
    assert sender.stats.ended == states(db)
    assert sender.stats.tries == {"taken": 1, "refused": 13, "unanswered": 10}
    assert sum(sender.stats.seconds.counts) == 24
    assert receiver.at("/inside") == []
    assert len({one.headers["webhook-id"] for one in receiver.at("/a")}) == 1


async def test_both_secrets_sign_while_one_replaces_the_other(db: Database) -> None:
    """A receiver that knows either of them can verify."""
    secrets = CallbackSecrets(db, Seal(KEY))
    texts = [secrets.make("ada")[1] for _ in range(2)]
    async with Receiver().listening() as receiver:
        entered(db, receiver.url("/a", host=HOST))
        async with background_task(sender_of(db).run()):
            await until(lambda: CallbackState.WAITING not in states(db))
    (received,) = receiver.got
    for text in texts:
        assert Webhook(text).verify(received.body, dict(received.headers))["data"] == {}


async def test_a_secret_that_cannot_be_read_is_told(db: Database) -> None:
    """Nothing is sent that nobody could verify, and the others go on."""
    CallbackSecrets(db, Seal(callback_key("t" * 40))).make("ada")
    async with Receiver().listening() as receiver:
        entered(db, receiver.url("/a", host=HOST))
        entered(db, receiver.url("/b", host=HOST), user_id="bob")
        async with background_task(sender_of(db).run()):
            await until(lambda: states(db)[CallbackState.DELIVERED] == 1)
            await until(lambda: any(v.tries for v in CallbackBook(db).newest("ada")))
    (view,) = CallbackBook(db).newest("ada")
    assert "secret key" in str(view.tries[0].error)
    assert receiver.at("/a") == []


@pytest.mark.slow(seconds=20)
async def test_kills_lose_nothing(db: Database, database_url: str, full_length: int) -> None:
    """Whoever sends is killed in the middle of it, again and again: each arrives, under one id."""
    kills = 50 if full_length > 1 else 8
    events = 4 * kills
    text = CallbackSecrets(db, Seal(KEY)).make("ada")[1]
    async with Receiver().listening() as receiver:
        ids = entered(db, *[receiver.url(f"/{n}", host=HOSTS[n % 8]) for n in range(events)])
        with Senders.of(database_url) as senders:
            for _ in range(kills):
                known = len(receiver.got)
                with senders.sending():
                    await until(lambda known=known: len(receiver.got) > known)
            with senders.sending():
                await until(lambda: CallbackState.WAITING not in states(db))
    arrived = {one.path: set[str]() for one in receiver.got}
    for one in receiver.got:
        Webhook(text).verify(one.body, dict(one.headers))
        arrived[one.path].add(one.headers["webhook-id"])
    assert arrived == {f"/{n}": {webhook_id} for n, webhook_id in enumerate(ids)}
    assert states(db) == {CallbackState.DELIVERED: events}
