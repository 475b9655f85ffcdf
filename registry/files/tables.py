"""The table of users' files; their bytes are in the store, by content."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime


class UserFileRow(Base):
    """A file as OpenAI's Files API shows it; `id` is `file-…`."""

    __tablename__ = "user_files"
    __table_args__ = (Index("user_files_by_user", "user_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(String(50), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36))
    purpose: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
