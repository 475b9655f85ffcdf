"""A callback is sent until it was taken, by one process at a time, for a day and no longer."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import update

from modelyard.registry.callbacks.addresses import FAILING, CallbackAddresses
from modelyard.registry.callbacks.backlog import CallbackBacklog
from modelyard.registry.callbacks.book import CallbackBook, CallbackView
from modelyard.registry.callbacks.deliveries import CallbackDelivery, Deliveries, TryOutcome
from modelyard.registry.callbacks.event import MOST_BYTES, event_body
from modelyard.registry.callbacks.forgetting import forget_callbacks
from modelyard.registry.callbacks.outbox import enter
from modelyard.registry.callbacks.places import CallbackPlaces
from modelyard.registry.callbacks.schedule import AFTER, JITTER
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import CallbackAddressRow, CallbackRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import AddressOff, UnknownCallback

URL = "https://example.com/done?key=1"


@dataclass(slots=True)
class LaterDeliveries:
    """The outbox as it is later."""

    db: Database
    time: datetime = field(default_factory=utc_now)

    @property
    def box(self) -> Deliveries:
        return Deliveries(self.db, now=lambda: self.time)

    def wait(self, time: timedelta) -> None:
        self.time += time


def entered(db: Database, url: str = URL, user_id: str = "ada", subject: str = "job") -> str:
    with db.begin() as session:
        return enter(
            session,
            user_id=user_id,
            subject=subject,
            kind="request.completed",
            url=url,
            body={"request_id": subject, "result": {"answer": 42}},
        )


def claim(box: Deliveries, most: int = 10) -> list[CallbackDelivery]:
    return box.claim(most, CallbackPlaces(per_host=100, per_user=100))


def outcome(status: int | None) -> TryOutcome:
    error = None if status else "no connection"
    return TryOutcome(at=utc_now(), duration_ms=1.5, status=status, error=error)


def only(db: Database) -> CallbackView:
    (view,) = CallbackBook(db).of_subject("job")
    return view


def test_a_callback_is_there_with_its_transaction(db: Database) -> None:
    """What is rolled back tells nothing; what is committed says what ended, and as what."""
    with pytest.raises(ZeroDivisionError), db.begin() as session:
        enter(session, user_id="ada", subject="job", kind="x", url=URL, body={"bad": 1 / 0})
    assert claim(Deliveries(db)) == []
    webhook_id = entered(db)
    (delivery,) = claim(Deliveries(db))
    assert (delivery.id, delivery.url, delivery.host) == (webhook_id, URL, "example.com")
    said = msgspec.json.decode(delivery.body)
    assert said["type"] == "request.completed"
    assert said["data"] == {"request_id": "job", "result": {"answer": 42}}


def test_a_large_result_is_left_out() -> None:
    """The body stays small, and says that there is more to be had."""
    data = {"request_id": "job", "result": "x" * MOST_BYTES}
    said = msgspec.json.decode(event_body("request.completed", utc_now(), data))
    assert said["data"] == {"request_id": "job", "result": None, "result_omitted": True}


def test_a_claim_holds_until_its_lease_ends(db: Database) -> None:
    """Then another has it, and what the first one says changes nothing."""
    later = LaterDeliveries(db)
    entered(db)
    later.wait(timedelta(seconds=1))
    (first,) = claim(later.box)
    assert claim(later.box) == []
    assert not later.box.is_any_due(CallbackPlaces())
    later.wait(timedelta(seconds=21))
    assert later.box.is_any_due(CallbackPlaces())
    (second,) = claim(later.box)
    assert second.id == first.id
    assert not later.box.record(first, outcome(200))
    assert later.box.record(second, outcome(200))
    assert not later.box.record(second, outcome(500))
    assert only(db).state == CallbackState.DELIVERED
    assert [one.status for one in only(db).tries] == [200]


def test_it_is_tried_at_the_times_of_the_standard(db: Database) -> None:
    """Ten tries within a day, each of them written down; then it has failed."""
    later = LaterDeliveries(db)
    entered(db)
    later.wait(timedelta(seconds=1))
    for tried, before in enumerate(AFTER, start=1):
        (delivery,) = claim(later.box)
        later.box.record(delivery, outcome(None if tried % 2 else 503))
        if tried < len(AFTER):
            wait = AFTER[tried] - before
            later.wait(wait * (1 - 1.1 * JITTER))
            assert claim(later.box) == []
            later.wait(wait * 2.2 * JITTER)
    assert only(db).state == CallbackState.FAILED
    assert [one.status for one in only(db).tries] == [None, 503] * 5
    assert only(db).tries[0].error == "no connection"
    assert AFTER[-1] == timedelta(days=1)


def test_no_more_of_one_host_or_user_is_claimed_than_has_a_place(db: Database) -> None:
    """The others come first, whoever was earlier."""
    for number in range(6):
        entered(db, f"https://slow.example.com/{number}", "bob")
        entered(db, f"https://h{number}.example.com/", "eve")
    ada = entered(db)
    places = CallbackPlaces(per_host=2, per_user=3)
    box = Deliveries(db)
    claimed = box.claim(5, places) + box.claim(5, places) + box.claim(5, places)
    assert sorted(one.user_id for one in claimed) == ["ada", "bob", "bob", "eve", "eve", "eve"]
    assert ada in {one.id for one in claimed}
    assert box.claim(100, places) == []
    assert not box.is_any_due(places)
    places.free("slow.example.com", "bob")
    assert [one.host for one in box.claim(100, places)] == ["slow.example.com"]


def test_410_switches_an_address_off(db: Database) -> None:
    """It is not asked again, with any query, until its user has switched it on."""
    entered(db)
    other = entered(db, "https://example.com/done?key=2", subject="other")
    elsewhere = entered(db, "https://example.com/else", subject="else")
    first, *_ = claim(Deliveries(db), 1)
    Deliveries(db).record(first, outcome(410))
    assert only(db).state == CallbackState.FAILED
    assert [one.id for one in claim(Deliveries(db))] == [elsewhere]
    (view,) = CallbackBook(db).of_subject("other")
    assert (view.state, view.tries) == (CallbackState.FAILED, [])
    (off,) = CallbackAddresses(db).failing("ada")
    assert (off.url, off.reason) == ("https://example.com/done", "It answered 410.")
    with pytest.raises(AddressOff):
        CallbackBook(db).resend(other)
    with pytest.raises(UnknownCallback):
        CallbackAddresses(db).enable("bob", URL)
    CallbackAddresses(db).enable("ada", URL)
    assert CallbackBook(db).resend(other).state == CallbackState.WAITING
    assert [one.id for one in claim(Deliveries(db))] == [other]


def test_an_address_that_fails_for_five_days_is_switched_off(db: Database) -> None:
    """One that took something meanwhile, or was not asked for long, begins anew."""
    later = LaterDeliveries(db)

    def failing(days: float) -> bool:
        later.wait(timedelta(days=days))
        entered(db, "https://example.com/down")
        with db.begin() as session:
            session.execute(update(CallbackRow).values(due_at=later.time))
        for delivery in claim(later.box):
            later.box.record(delivery, outcome(500))
        (address,) = CallbackAddresses(db).failing()
        return address.disabled_at is not None

    assert [failing(1) for _ in range(5)] == [False] * 5
    assert not failing(3)  # nobody has heard of it for longer than PAUSE
    assert [failing(1) for _ in range(5)] == [False] * 4 + [True]
    assert timedelta(days=5) == FAILING


def test_success_forgets_failures(db: Database) -> None:
    entered(db)
    (delivery,) = claim(Deliveries(db))
    Deliveries(db).record(delivery, outcome(500))
    assert len(CallbackAddresses(db).failing("ada")) == 1
    CallbackBook(db).resend(delivery.id)
    (again,) = claim(Deliveries(db))
    Deliveries(db).record(again, outcome(204))
    assert CallbackAddresses(db).failing("ada") == []
    assert [one.number for one in only(db).tries] == [1, 2]


def test_what_ended_long_ago_is_forgotten(db: Database) -> None:
    """With its tries; what waits stays, and so does an address that is switched off."""
    entered(db)
    entered(db, "https://example.com/off", subject="off")
    waits = entered(db, "https://example.com/waits", subject="waits")
    for delivery in claim(Deliveries(db)):
        if delivery.id != waits:
            Deliveries(db).record(delivery, outcome(410 if "off" in delivery.url else 200))
    with db.begin() as session:
        long_ago = utc_now() - timedelta(days=40)
        ended = CallbackRow.ended_at.is_not(None)
        session.execute(update(CallbackRow).where(ended).values(ended_at=long_ago))
        session.execute(update(CallbackAddressRow).values(failed_at=long_ago))
    assert forget_callbacks(db, 30) == 2
    assert [view.id for view in CallbackBook(db).newest("ada")] == [waits]
    assert len(CallbackAddresses(db).failing()) == 1


def test_a_resent_callback_keeps_its_id(db: Database) -> None:
    """Also one that was delivered; one that is not there is unknown."""
    webhook_id = entered(db)
    (delivery,) = claim(Deliveries(db))
    Deliveries(db).record(delivery, outcome(200))
    assert claim(Deliveries(db)) == []
    CallbackBook(db).resend(webhook_id)
    assert [one.id for one in claim(Deliveries(db))] == [webhook_id]
    with pytest.raises(UnknownCallback):
        CallbackBook(db).resend("msg_none")


def test_the_backlog_counts_what_waits_and_what_is_due(db: Database) -> None:
    """One that a process has in hand waits and is not due; an address that is off counts once."""
    for number in range(4):
        entered(db, f"https://example.com/{number}", subject=str(number))
    first, *_ = claim(Deliveries(db), 2)
    Deliveries(db).record(first, outcome(410))
    assert Deliveries(db).backlog() == CallbackBacklog(waiting=3, due=2, addresses_off=1)
