"""What listeners are told of a lifecycle run."""

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow

PROGRESS = "run.progress"
ENDED = "run.ended"


def run_notice(row: RunRow) -> NoticeDraft:
    """How far the run is, or how it ended, for whoever may see the run."""
    return NoticeDraft(
        Topic.RUNS,
        PROGRESS if row.state == RunState.RUNNING else ENDED,
        {
            "id": row.id,
            "flow": row.flow,
            "subject": row.subject,
            "state": row.state,
            "step": row.step,
            "done": row.done,
            "total": row.total,
            "unit": row.unit,
            "message": row.message,
        },
        Visibility(row.visibility),
        row.owner_id,
    )
