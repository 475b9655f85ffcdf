"""Which workers live, on which devices, and what they have loaded."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.fleet.tables import EngineRow, WorkerRow


class EngineState(StrEnum):
    """Where a loaded version stands on its device."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


LIVE_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker and its device as last measured."""

    device_id: str
    url: str
    pid: int
    device: DeviceReport
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class EngineView:
    """A version on a device: where it stands and, once ready, where it answers."""

    device_id: str
    version_id: str
    state: EngineState
    url: str = ""
    pid: int | None = None
    memory_bytes: int = 0
    load_s: float = 0.0
    restarts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers' own record of themselves."""

    db: Database

    def register_worker(self, device_id: str, url: str, pid: int, device: DeviceReport) -> None:
        """A worker begins: it takes its device over, with nothing loaded."""
        now = utc_now()
        row = WorkerRow(
            device_id=device_id,
            url=url,
            pid=pid,
            device=device.as_json(),
            started_at=now,
            heartbeat_at=now,
        )
        with self.db.begin() as session:
            session.execute(delete(EngineRow).where(EngineRow.device_id == device_id))
            session.merge(row)

    def heartbeat(self, device_id: str, device: DeviceReport) -> bool:
        """A sign of life with fresh measures; False where the worker must register again."""
        sign = (
            update(WorkerRow)
            .where(WorkerRow.device_id == device_id)
            .values(device=device.as_json(), heartbeat_at=utc_now())
            .returning(WorkerRow.device_id)
        )
        with self.db.begin() as session:
            return session.scalar(sign) is not None

    def worker(self, device_id: str) -> WorkerView | None:
        """Who has a device, living or not."""
        with self.db.read() as session:
            row = session.get(WorkerRow, device_id)
            return _worker(row) if row else None

    def remove_worker(self, device_id: str) -> None:
        """A worker ends in good order; its engines go with it."""
        with self.db.begin() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.device_id == device_id))

    def put_engine(self, engine: EngineView) -> None:
        """Keep where a version stands on a device, in place of what was known before."""
        row = EngineRow(
            device_id=engine.device_id,
            version_id=engine.version_id,
            state=engine.state,
            url=engine.url,
            pid=engine.pid,
            memory_bytes=engine.memory_bytes,
            load_s=engine.load_s,
            restarts=engine.restarts,
            error=engine.error[:2000],
            updated_at=utc_now(),
        )
        with self.db.begin() as session:
            session.merge(row)

    def remove_engine(self, device_id: str, version_id: str) -> None:
        gone = EngineRow.device_id == device_id, EngineRow.version_id == version_id
        with self.db.begin() as session:
            session.execute(delete(EngineRow).where(*gone))

    def workers(self, live_within_s: float = LIVE_WITHIN_S) -> list[WorkerView]:
        """Workers that gave a sign of life, by device id."""
        live = select(WorkerRow).where(WorkerRow.heartbeat_at > _since(live_within_s))
        with self.db.read() as session:
            return [_worker(row) for row in session.scalars(live.order_by(WorkerRow.device_id))]

    def engines(self, live_within_s: float = LIVE_WITHIN_S) -> list[EngineView]:
        """What living workers have loaded, are loading or failed to load."""
        of_live = (
            select(EngineRow)
            .join(WorkerRow, WorkerRow.device_id == EngineRow.device_id)
            .where(WorkerRow.heartbeat_at > _since(live_within_s))
            .order_by(EngineRow.device_id, EngineRow.version_id)
        )
        with self.db.read() as session:
            return [_engine(row) for row in session.scalars(of_live)]


def _since(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


def _worker(row: WorkerRow) -> WorkerView:
    return WorkerView(
        device_id=row.device_id,
        url=row.url,
        pid=row.pid,
        device=DeviceReport.from_json(row.device),
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
    )


def _engine(row: EngineRow) -> EngineView:
    return EngineView(
        device_id=row.device_id,
        version_id=row.version_id,
        state=EngineState(row.state),
        url=row.url,
        pid=row.pid,
        memory_bytes=row.memory_bytes,
        load_s=row.load_s,
        restarts=row.restarts,
        error=row.error,
    )
