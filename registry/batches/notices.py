"""What listeners are told of a batch, each in the transaction that it tells of."""

from modelyard.registry.batches.batch import JobBatch
from modelyard.registry.catalog.model import Visibility
from modelyard.registry.notices.notice import NoticeDraft, Topic

STARTED = "batch.started"
ENDED = "batch.ended"


def batch_notice(kind: str, batch: JobBatch) -> NoticeDraft:
    """How far the batch is, for its user and admins."""
    data = {
        "id": batch.id,
        "status": batch.status.value,
        "model": batch.model,
        "total": batch.counts.total,
        "completed": batch.counts.completed,
        "failed": batch.counts.failed,
        "cancelled": batch.counts.cancelled,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
    }
    return NoticeDraft(Topic.BATCHES, kind, data, Visibility.PRIVATE, batch.user_id)
