"""A batch goes its way once, whoever is killed in between, and its counts are always true."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from modelyard.registry.batches.batch import (
    BatchEnded,
    BatchIdTaken,
    BatchStatus,
    JobCounts,
    LineError,
    TooManyBatches,
    UnknownBatch,
)
from modelyard.registry.batches.entering import Batches
from modelyard.registry.batches.file_removal import FileRemoval
from modelyard.registry.batches.forgetting import BatchForgetting
from modelyard.registry.batches.states import BatchStates
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.callbacks.tables import CallbackRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import StillInUse
from modelyard.registry.files.file_book import FileBook
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.files.user_file import FilePurpose, UnknownFile
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.ending import MOST_AT_ONCE
from modelyard.registry.notices.notice_book import NoticeBook
from tests.registry.batches.made import DONE, ENDING, FAILED, VALIDATING, BatchStage, about
from tests.registry.files.stored import added, file_of


@pytest.fixture
def stage(db: Database) -> BatchStage:
    return BatchStage(db)


def told(stage: BatchStage) -> list[tuple[str, str]]:
    notices = NoticeBook(stage.db).after(0)
    return [(one.kind, one.data["status"]) for one in notices if one.kind.startswith("batch")]


def test_a_batch_ends_when_its_last_job_has(stage: BatchStage) -> None:
    """Not before; with the file that there is something for, and a notice."""
    batch = stage.begun(2)
    assert batch.status is BatchStatus.IN_PROGRESS
    assert stage.states.take(ENDING) is None
    stage.finish(DONE)
    assert stage.states.take(ENDING) is None
    assert stage.book.get(batch.id, "ada").counts == JobCounts(2, 1)
    stage.finish(DONE)
    taken = stage.taken(ENDING)
    finalizing = stage.states.finalize(taken)
    assert finalizing is not None
    output = file_of("ada", id=batch.output_file_id, purpose=FilePurpose.BATCH_OUTPUT)
    assert stage.states.end(finalizing, BatchStatus.COMPLETED, [output])
    ended = stage.book.get(batch.id, "ada")
    assert ended.status is BatchStatus.COMPLETED
    assert ended.counts == JobCounts(2, 2)
    assert (ended.output_file_id, ended.error_file_id) == (output.id, None)
    assert FileBook(stage.db).get(output.id, "ada").size == output.size
    assert told(stage) == [("batch.started", "in_progress"), ("batch.ended", "completed")]
    assert stage.states.take(ENDING | VALIDATING) is None


def test_all_of_its_jobs_come_or_none(stage: BatchStage) -> None:
    """Whoever breaks off in the middle leaves a batch that is still to be validated."""
    batch = stage.created()
    taken = stage.taken(VALIDATING)

    def broken(session: object) -> None:
        stage.submitting(taken, 700)(session)
        raise KeyError

    with pytest.raises(KeyError):
        stage.states.begin(taken, about(700), broken)
    assert JobBook(stage.db).counts(JobFilter()) == {}
    assert stage.book.get(batch.id, "ada").status is BatchStatus.VALIDATING


def test_who_has_lost_a_batch_changes_nothing(stage: BatchStage) -> None:
    """After its lease another takes it: what the first then says is of an older fence."""
    stage.created()
    lapsed = BatchStates(stage.db, lease_s=0)
    first = lapsed.take(VALIDATING)
    second = stage.taken(VALIDATING)
    assert first is not None
    assert stage.states.take(VALIDATING) is None
    error = [LineError("invalid_json_line", "No.", 7)]
    assert not stage.states.extend(first)
    assert not stage.states.reject(first, error)
    assert not stage.states.begin(first, about(1), stage.submitting(first, 1))
    assert JobBook(stage.db).counts(JobFilter()) == {}
    assert stage.states.extend(second)
    assert stage.states.reject(second, error)
    failed = stage.book.get(second.id, "ada")
    assert (failed.status, failed.errors) == (BatchStatus.FAILED, error)
    assert told(stage) == [("batch.ended", "failed")]


def test_a_cancelled_batch_keeps_what_was_done(stage: BatchStage) -> None:
    """All that waits or runs ends at once; whoever runs one of them has lost it."""
    batch = stage.begun(4)
    stage.finish(DONE)
    (running,) = stage.claims(1)
    cancelling = stage.batches.cancel(batch.id, "ada")
    assert cancelling.status is BatchStatus.CANCELLING
    assert cancelling.counts == JobCounts(4, 1, 0, 3)
    assert not stage.queue.finish(running, DONE)
    assert stage.batches.cancel(batch.id, "ada").status is BatchStatus.CANCELLING
    taken = stage.taken(ENDING)
    assert stage.states.end(taken, BatchStatus.CANCELLED, [])
    with pytest.raises(BatchEnded):
        stage.batches.cancel(batch.id, "ada")
    assert told(stage)[-1] == ("batch.ended", "cancelled")


def test_all_jobs_of_a_large_batch_are_cancelled(stage: BatchStage) -> None:
    """More than one transaction ends; those that a killed process left, whoever keeps batches."""
    many = MOST_AT_ONCE + 1
    batch = stage.begun(many)
    assert stage.batches.cancel(batch.id, "ada").counts == JobCounts(many, 0, 0, many)
    assert stage.states.cancel_left() == 0
    left = stage.begun(2)
    with stage.db.begin() as session:
        halfway = update(BatchRow).where(BatchRow.id == left.id)
        session.execute(halfway.values(status=BatchStatus.CANCELLING))
    assert stage.taken(ENDING).id == batch.id
    assert stage.states.take(ENDING) is None
    assert stage.states.cancel_left() == 2
    assert stage.taken(ENDING).counts == JobCounts(2, 0, 0, 2)


def test_a_batch_that_is_cancelled_is_validated_no_further(stage: BatchStage) -> None:
    """Whoever checks its file has lost it."""
    batch = stage.created()
    taken = stage.taken(VALIDATING)
    stage.batches.cancel(batch.id, "ada")
    assert not stage.states.begin(taken, about(1), stage.submitting(taken, 1))
    assert JobBook(stage.db).counts(JobFilter()) == {}
    assert stage.states.end(stage.taken(ENDING), BatchStatus.CANCELLED, [])


def test_who_finalizes_may_be_killed(stage: BatchStage) -> None:
    """Another goes on from there once the lease has lapsed."""
    stage.begun(1)
    stage.finish(FAILED)
    killed = BatchStates(stage.db, lease_s=0)
    first = killed.take(ENDING)
    assert first is not None
    lost = killed.finalize(first)
    assert lost is not None
    second = stage.taken(ENDING)
    assert second.status is BatchStatus.FINALIZING
    assert not stage.states.end(lost, BatchStatus.COMPLETED, [])
    assert stage.states.end(second, BatchStatus.EXPIRED, [])
    ended = stage.book.get(second.id, "ada")
    assert (ended.status, ended.error_codes) == (BatchStatus.EXPIRED, {"timeout": 1})


def test_counts_outlive_the_jobs(stage: BatchStage) -> None:
    """They are the batch's own once it has ended; then it is forgotten itself."""
    batch = stage.begun(3)
    stage.finish(DONE, FAILED)
    stage.batches.cancel(batch.id, "ada")
    assert stage.states.end(stage.taken(ENDING), BatchStatus.CANCELLED, [])
    before = stage.book.get(batch.id, "ada")
    assert before.counts == JobCounts(3, 1, 1, 1)
    with stage.db.begin() as session:
        session.connection().exec_driver_sql("DELETE FROM jobs")
    assert stage.book.get(batch.id, "ada") == before
    forgetting = BatchForgetting(stage.db)
    assert forgetting.forget(utc_now() - timedelta(days=1)) == 0
    assert forgetting.forget(utc_now() + timedelta(seconds=1)) == 1
    with pytest.raises(UnknownBatch):
        stage.book.get(batch.id, "ada")


def test_another_users_batch_or_file_is_none(stage: BatchStage) -> None:
    """Neither to look at, nor to cancel, nor to make a batch of."""
    batch = stage.created()
    for ask in (stage.book.get, stage.batches.cancel):
        words = []
        for batch_id in (batch.id, "batch_none"):
            with pytest.raises(UnknownBatch) as refused:
                ask(batch_id, "bob")
            words.append(str(refused.value).replace(batch_id, "it"))
        assert words[0] == words[1]
    with pytest.raises(UnknownFile):
        stage.batches.create(stage.new("bob", input_file_id=batch.input_file_id))
    assert stage.book.list("bob", None, 10) == []
    assert stage.book.writing(batch.output_file_id or "", "bob") is None


def test_batches_are_listed_newest_first(stage: BatchStage) -> None:
    """Page by page; those of our own API are no batches of files."""
    now = utc_now()
    made = [stage.created(created_at=now + timedelta(seconds=n)) for n in range(3)]
    stage.batches.submit(stage.new(id="own"), 0, lambda _: None)
    listed = stage.book.list("ada", None, 2)
    assert [one.id for one in listed] == [made[2].id, made[1].id]
    assert [one.id for one in stage.book.list("ada", made[1].id, 2)] == [made[0].id]


def test_a_user_has_so_many_batches_at_once(stage: BatchStage) -> None:
    """An ended one makes room."""
    few = Batches(stage.db, most_live=1)
    batch = stage.created()
    file = added(stage.db, "ada")
    with pytest.raises(TooManyBatches):
        few.create(stage.new(input_file_id=file.id))
    stage.states.reject(stage.taken(VALIDATING), [])
    assert few.create(stage.new(input_file_id=file.id)).id != batch.id


def test_a_batch_of_our_own_is_handed_in_once(stage: BatchStage) -> None:
    """The same id and digest find it; its callback is entered in the transaction of its end."""
    new = stage.new(id="b", digest="1", callback_url="https://x.test/", completion_window="")
    first = stage.batches.submit(new, 0, lambda _: None)
    again = stage.batches.submit(new, 0, lambda _: pytest.fail("it is there"))
    assert again == first
    with pytest.raises(BatchIdTaken):
        stage.batches.submit(replace(new, digest="2"), 0, lambda _: None)
    finalizing = stage.states.finalize(stage.taken(ENDING))
    assert finalizing is not None
    assert stage.states.end(finalizing, BatchStatus.COMPLETED, [])
    with stage.db.read() as session:
        (callback,) = session.query(CallbackRow)
        assert (callback.subject, callback.kind) == ("b", "batch.completed")
        assert b'"status":"completed"' in callback.body


def test_a_file_stays_while_a_batch_needs_it(stage: BatchStage, db: Database) -> None:
    """Neither its owner nor time removes it."""

    def unopened() -> None:
        pytest.fail("no bytes are touched")

    removal = FileRemoval(db, FileStore(unopened))  # type: ignore[arg-type]
    batch = stage.created()
    assert batch.input_file_id is not None
    with db.begin() as session:
        session.connection().exec_driver_sql("UPDATE user_files SET expires_at = created_at")
    with pytest.raises(StillInUse, match=batch.id):
        removal.remove(batch.input_file_id, "ada")
    with pytest.raises(UnknownFile):
        removal.remove(batch.input_file_id, "bob")
    assert removal.remove_expired(utc_now()) == 0
