"""The table of batches; their lines are jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime


class BatchRow(Base):
    """A batch of either API: OpenAI's has an input file (`batch_…`), ours none (a UUID)."""

    __tablename__ = "batches"
    __table_args__ = (Index("batches_by_user", "user_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(String(50), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36))
    asked_by: Mapped[str] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(20), index=True)
    endpoint: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(300), default="")
    digest: Mapped[str] = mapped_column(String(64), default="")
    completion_window: Mapped[str] = mapped_column(String(20), default="")
    input_file_id: Mapped[str | None] = mapped_column(String(50))
    output_file_id: Mapped[str | None] = mapped_column(String(50))
    error_file_id: Mapped[str | None] = mapped_column(String(50))
    total: Mapped[int] = mapped_column(default=0)
    errors: Mapped[list[Any]] = mapped_column(JSON)
    about: Mapped[dict[str, Any]] = mapped_column(JSON)
    callback_url: Mapped[str | None] = mapped_column(String(2048))
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    in_progress_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finalizing_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelling_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
