"""The notices that are kept: read in order, and pruned to the last ones of each topic."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, or_, select, true

from modelyard.registry import marks
from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Caller
from modelyard.registry.notices.notice import Notice, NoticeDraft, Topic
from modelyard.registry.notices.publishing import LAST_ID, publish
from modelyard.registry.notices.tables import NoticeRow

KEPT = 5000
"""Notices that are kept of each topic; a listener that was away for longer is told so."""

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NoticeBook:
    """The table of notices."""

    db: Database

    def add(self, drafts: Sequence[NoticeDraft]) -> None:
        """Publish notices in a transaction of their own."""
        with self.db.begin() as session:
            publish(session, drafts)

    def last_id(self) -> int:
        """The id of the newest notice; 0 if there was none yet."""
        with self.db.read() as session:
            return marks.value_of(session, LAST_ID)

    def after(self, last_id: int, most: int = AT_ONCE) -> list[Notice]:
        """Notices of every topic after an id, oldest first."""
        return self._notices(NoticeRow.id > last_id, most)

    def missed(
        self, begin: int, end: int, topics: Collection[Topic], caller: Caller
    ) -> list[Notice]:
        """Up to AT_ONCE notices with begin < id <= end that the caller may read, oldest first."""
        between = (NoticeRow.id > begin) & (NoticeRow.id <= end)
        return self._notices(between & NoticeRow.topic.in_(topics) & _is_for(caller), AT_ONCE)

    def dropped_to(self, topics: Collection[Topic]) -> int:
        """The largest id of these topics that is no longer kept; 0 if all are."""
        with self.db.read() as session:
            return max((marks.value_of(session, _dropped(topic)) for topic in topics), default=0)

    def prune(self, kept: int = KEPT) -> int:
        """Remove all but the last `kept` notices of each topic; returns how many were removed."""
        return sum(self._prune(topic, kept) for topic in Topic)

    def _prune(self, topic: Topic, kept: int) -> int:
        mine = NoticeRow.topic == topic
        oldest_kept = select(NoticeRow.id).where(mine).order_by(NoticeRow.id.desc()).offset(kept)
        with self.db.read() as session:
            last = session.scalar(oldest_kept.limit(1))
        if last is None:
            return 0
        with self.db.begin() as session:
            marks.raise_to(session, _dropped(topic), last)
            gone = delete(NoticeRow).where(mine, NoticeRow.id <= last).returning(NoticeRow.id)
            return len(session.scalars(gone).all())

    def _notices(self, wanted: ColumnElement[bool], most: int) -> list[Notice]:
        query = select(NoticeRow).where(wanted).order_by(NoticeRow.id).limit(most)
        with self.db.read() as session:
            return [_notice(row) for row in session.scalars(query)]


def _dropped(topic: Topic) -> str:
    return f"notices/dropped/{topic}"


def _is_for(caller: Caller) -> ColumnElement[bool]:
    """As `NoticeDraft.is_for`."""
    if caller.is_admin:
        return true()
    return or_(NoticeRow.visibility == Visibility.PUBLIC, NoticeRow.owner_id == caller.user_id)


def _notice(row: NoticeRow) -> Notice:
    return Notice(
        id=row.id,
        topic=Topic(row.topic),
        kind=row.kind,
        data=row.data,
        visibility=Visibility(row.visibility),
        owner_id=row.owner_id,
        at=row.at,
    )
