"""Tables of lifecycle runs, of orders about them, and of the processes and flows that serve."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime, new_id, utc_now


class RunRow(Base):
    """A lifecycle run and its progress; who may see it is as for the model that it is about."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    flow: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20))
    step: Mapped[str] = mapped_column(String(50), default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    unit: Mapped[str] = mapped_column(String(20), default="")
    message: Mapped[str] = mapped_column(String(2000), default="")
    prefect_run_id: Mapped[str | None] = mapped_column(String(36))
    visibility: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class RunOrderRow(Base):
    """What an admin asked the flows' process to do; `key` is unique among orders in force."""

    __tablename__ = "run_orders"
    __table_args__ = (Index("run_orders_by_state", "state"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str | None] = mapped_column(String(64), unique=True)
    subject: Mapped[str] = mapped_column(String(300))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked_by: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(String(2000), default="")
    prefect_run_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class FlowProcessRow(Base):
    """A process that carries out orders, and when it last said that it is there."""

    __tablename__ = "flow_processes"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ServedFlowRow(Base):
    """A deployment that requests may start; see `ServedFlow`."""

    __tablename__ = "served_flows"
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    flow: Mapped[str] = mapped_column(String(200))
    deployment_id: Mapped[str] = mapped_column(String(36))
    parameters: Mapped[list[Any]] = mapped_column(JSON)
    required: Mapped[list[Any]] = mapped_column(JSON)
    takes_any: Mapped[bool]
