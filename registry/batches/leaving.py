"""Ends the batches of a user who is removed: nobody is left to read files of their answers."""

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import BATCH_ENDS, BatchStatus
from modelyard.registry.batches.batch_book import batch_of
from modelyard.registry.batches.counting import kept
from modelyard.registry.batches.notices import ENDED, batch_notice
from modelyard.registry.batches.states import call_back
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import utc_now
from modelyard.registry.notices.notice import NoticeDraft


def end_batches(session: Session, user_id: str) -> list[NoticeDraft]:
    """End those that have not, without files; their jobs have ended. Gives what is to be told."""
    now = utc_now()
    told: list[NoticeDraft] = []
    live = and_(BatchRow.user_id == user_id, BatchRow.status.not_in(BATCH_ENDS))
    for row in session.scalars(select(BatchRow).where(live).with_for_update()):
        row.status = BatchStatus.CANCELLED
        row.cancelled_at = now
        row.output_file_id = None
        row.error_file_id = None
        row.fence += 1
        ended = batch_of(session, row)
        row.about = row.about | kept(ended.counts, dict(ended.error_codes))
        call_back(session, ended)
        told.append(batch_notice(ENDED, ended))
    return told
