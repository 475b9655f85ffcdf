"""Notices are kept in one order that no commit can slip into, and pruned by topic."""

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy.orm import Session

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.registry.notices.publishing import publish

ADA = Caller("ada", "ada", Role.USER)


def drafts(count: int, topic: Topic = Topic.RUNS) -> list[NoticeDraft]:
    return [NoticeDraft(topic, "test", {"n": n}) for n in range(count)]


def test_ids_are_the_order_of_the_commits(db: Database) -> None:
    """Whoever reads up to an id has everything before it, though many write at the same time."""
    book = NoticeBook(db)
    seen = list[int]()
    done = threading.Event()

    def write() -> None:
        for _ in range(10):
            book.add(drafts(2))

    def read() -> None:
        while not done.is_set() or len(seen) < 80:
            seen.extend(one.id for one in book.after(seen[-1] if seen else 0))

    writers = [threading.Thread(target=write) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen == list(range(1, 81))
    assert book.last_id() == 80


def test_a_transaction_that_fails_leaves_no_notice_and_no_gap(db: Database) -> None:
    """What did not happen is not told, and nobody looks for its id."""
    book = NoticeBook(db)
    book.add(drafts(1))
    with pytest.raises(RuntimeError), db.begin() as session:
        _publish_and_fail(session)
    book.add(drafts(1))
    assert [one.id for one in book.after(0)] == [1, 2]


def _publish_and_fail(session: Session) -> None:
    publish(session, drafts(3))
    raise RuntimeError


def test_the_last_notices_of_each_topic_are_kept(db: Database) -> None:
    """A busy topic pushes out its own; who was away for longer can know that something is gone."""
    book = NoticeBook(db)
    book.add(drafts(2, Topic.DEVICES))
    book.add(drafts(10))
    assert book.prune(kept=4) == 6
    assert book.prune(kept=4) == 0
    assert [one.id for one in book.after(0)] == [1, 2, 9, 10, 11, 12]
    assert book.dropped_to([Topic.RUNS, Topic.ALERTS]) == 8
    assert book.dropped_to([Topic.DEVICES]) == 0


def test_what_was_missed_is_read_by_topic_and_reader(db: Database) -> None:
    """Between two ids, the first left out and the last with it."""
    book = NoticeBook(db)
    others = NoticeDraft(Topic.RUNS, "test", visibility=Visibility.PRIVATE, owner_id="bob")
    own = NoticeDraft(Topic.RUNS, "test", visibility=Visibility.PRIVATE, owner_id="ada")
    book.add([*drafts(1), others, own, *drafts(1, Topic.ALERTS), *drafts(2)])

    def found(*topics: Topic) -> Sequence[int]:
        return [one.id for one in book.missed(1, 5, topics, ADA)]

    assert found(Topic.RUNS) == [3, 5]
    assert found(Topic.RUNS, Topic.ALERTS) == [3, 4, 5]
