"""Writes a callback in the transaction of what it tells: neither is there without the other."""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from modelyard.registry.callbacks.event import event_body
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import CallbackRow
from modelyard.registry.database import utc_now


def enter(  # noqa: PLR0913  one keyword for each column
    session: Session, *, user_id: str, subject: str, kind: str, url: str, body: Mapping[str, Any]
) -> str:
    """Have one event told to `url`, a checked one, as soon as the transaction is committed.

    `user_id` is who gave the URL, and whose secrets sign it; not whoever it was done for.
    `subject` is the id of the job or batch, `kind` what happened to it, such as
    `request.completed` or `batch.failed`, and `body` the fields of its status answer, which become
    the event's `data`; times in it may be datetimes. The id that is returned is the webhook id.
    """
    now = utc_now()
    row = CallbackRow(
        id=f"msg_{uuid.uuid4().hex}",
        user_id=user_id,
        subject=subject,
        kind=kind,
        url=url,
        host=host_of(url),
        body=event_body(kind, now, body),
        state=CallbackState.WAITING,
        tries=0,
        fence=0,
        due_at=now,
        created_at=now,
    )
    session.add(row)
    return row.id


def host_of(url: str) -> str:
    """The host that a URL is for, in lower case, which shares its places among all its URLs."""
    return (urlsplit(url).hostname or "")[:255]
