"""A user is removed with all that is the user's, and what goes on for it ends."""

from pathlib import Path

import pytest

from modelyard.registry.batches.batch import BatchEnded, BatchStatus, JobCounts
from modelyard.registry.batches.entering import Batches
from modelyard.registry.callbacks import addresses
from modelyard.registry.callbacks.book import CallbackBook
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import LastAdmin, UnknownUser
from modelyard.registry.files.file_book import FileBook, FileFilter
from modelyard.registry.files.file_store import FileStore, pin_of
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import FIRST_ADMIN, Identity
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.store import Store
from modelyard.serving.access.user_removal import UserRemoval
from modelyard.serving.callbacks.services import CallbackServices
from tests.registry.batches.made import ENDING, VALIDATING, BatchStage
from tests.registry.files.stored import added
from tests.serving.callbacks.told import entered

URL = "https://example.com/done"
SECRET = "s" * 40


@pytest.fixture
def identity(db: Database) -> Identity:
    identity = Identity(db, SECRET)
    identity.first_admin()
    return identity


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, 10**9)


@pytest.fixture
def removal(identity: Identity, store: Store, db: Database) -> UserRemoval:
    return UserRemoval(identity, JobQueue(db), Batches(db), FileStore(lambda: store))


def settled(db: Database, name: str) -> str:
    """A user with a secret, an address that fails, a callback, and a batch of two jobs."""
    user_id = Identity(db, SECRET).create_user(name, Role.USER).id
    CallbackServices.of(db, SECRET).secrets.make(user_id)
    entered(db, URL, user_id=user_id)
    with db.begin() as session:
        addresses.failed(session, user_id, URL, utc_now(), is_gone=False)
    BatchStage(db).begun(2, user_id, callback_url=URL)
    return user_id


def has(db: Database, user_id: str) -> list[int]:
    """How many secrets, addresses, callbacks that wait, files and open jobs are the user's."""
    callbacks = CallbackServices.of(db, SECRET)
    return [
        len(callbacks.secrets.of(user_id)),
        len(callbacks.addresses.failing(user_id)),
        len(CallbackBook(db).newest(user_id)),
        len(FileBook(db).list(user_id, FileFilter())),
        JobBook(db).counts(JobFilter(user_id=user_id)).get(JobStatus.QUEUED, 0),
    ]


def test_nothing_of_a_removed_user_is_left(removal: UserRemoval, db: Database) -> None:
    """Its batches and jobs end as cancelled; those of others go on."""
    bob = settled(db, "bob")
    ada = settled(db, "ada")
    stage = BatchStage(db)
    checked = stage.created(ada)
    taken = stage.taken(VALIDATING)
    assert taken.id == checked.id
    assert has(db, ada) == [1, 1, 1, 2, 2]
    removal.remove("ada")
    assert has(db, ada) == [0] * 5
    assert has(db, bob) == [1, 1, 1, 1, 2]
    [late, first] = stage.book.list(ada, None, 9)
    assert (late.status, first.status) == (BatchStatus.CANCELLED, BatchStatus.CANCELLED)
    assert (first.counts, first.output_file_id) == (JobCounts(2, 0, 0, 2), None)
    assert not stage.states.begin(taken, {"total": 1}, stage.submitting(taken, 1))
    assert stage.states.take(ENDING | VALIDATING) is None
    with pytest.raises(BatchEnded):
        stage.batches.cancel(first.id, ada)
    with pytest.raises(UnknownUser):
        removal.remove("ada")


def test_the_bytes_of_its_files_go(removal: UserRemoval, store: Store, db: Database) -> None:
    """Unless another user's file has the same."""
    users = [removal.identity.create_user(name, Role.USER).id for name in ("ada", "bob")]
    shared = store.put([b"shared"])
    own = store.put([b"own"])
    for user_id, stored in ((users[0], own), (users[0], shared), (users[1], shared)):
        file = added(db, user_id, sha256=stored.sha256)
        store.pin(stored.sha256, pin_of(file.id))
    removal.remove("ada")
    assert len(store.pin_owners()) == 1
    assert store.path(shared.sha256).is_file()
    assert not store.has(own.sha256)


def test_a_callback_that_somebody_else_asked_for_is_sent(
    removal: UserRemoval, db: Database
) -> None:
    """An admin who handed a batch in for the user hears of its end."""
    ada = removal.identity.create_user("ada", Role.USER).id
    batch = BatchStage(db).begun(1, ada, asked_by="an admin", callback_url=URL)
    removal.remove("ada")
    [told] = CallbackBook(db).newest("an admin")
    assert (told.kind, told.subject) == ("batch.cancelled", batch.id)


def test_whoever_cannot_be_removed_is_as_before(removal: UserRemoval, db: Database) -> None:
    """The last admin comes in as ever, and its jobs go on."""
    admin = removal.identity.list_users()[0]
    BatchStage(db).begun(2, admin.id)
    with pytest.raises(LastAdmin):
        removal.remove(FIRST_ADMIN)
    assert not removal.identity.user(admin.id).disabled
    assert has(db, admin.id)[-1] == 2


def test_a_removal_that_was_killed_is_done_by_the_next(removal: UserRemoval, db: Database) -> None:
    """It left a user who is disabled, and batches that nobody works on."""
    ada = settled(db, "ada")
    removal.identity.set_disabled("ada", disabled=True)
    Batches(db).stop(ada)
    removal.remove("ada")
    assert has(db, ada) == [0] * 5
