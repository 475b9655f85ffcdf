"""Writes notices in the transaction of what they tell: neither is there without the other."""

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.orm import Session

from modelyard.registry import marks
from modelyard.registry.database import utc_now
from modelyard.registry.notices.notice import NoticeDraft
from modelyard.registry.notices.tables import NoticeRow

LAST_ID = "notices"
"""The mark of the last notice's id."""


def publish(session: Session, drafts: Sequence[NoticeDraft]) -> None:
    """Write notices, in this order; let it be the last that the transaction writes.

    From here to its commit no other transaction can publish. That makes the order of ids the order
    of commits: a listener that has seen an id has seen everything before it.
    """
    if not drafts:
        return
    last = marks.advance(session, LAST_ID, len(drafts))
    first = last - len(drafts) + 1
    now = utc_now()
    rows = [
        {
            "id": first + place,
            "topic": draft.topic,
            "kind": draft.kind,
            "data": dict(draft.data),
            "visibility": draft.visibility,
            "owner_id": draft.owner_id,
            "at": now,
        }
        for place, draft in enumerate(drafts)
    ]
    together = insert(NoticeRow).returning(NoticeRow.id)  # else PostgreSQL is asked row by row
    session.execute(together, rows)
