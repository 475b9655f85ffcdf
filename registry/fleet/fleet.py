"""The live workers, their devices and the versions loaded on them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.fleet.tables import EngineRow, WorkerRow


class EngineState(StrEnum):
    """The state of a version's engine on a device."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


LIVE_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker and the last measurement of its device."""

    device_id: str
    url: str
    pid: int
    device: DeviceReport
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class EngineView:
    """A version's engine on a device: its state and, once ready, its URL."""

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
    """The table of workers and engines, which the workers themselves keep up to date."""

    db: Database

    def register_worker(self, device_id: str, url: str, pid: int, device: DeviceReport) -> None:
        """Register a starting worker: it takes over the device, with no version loaded."""
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
        """Record a heartbeat with a new measurement; False if the worker must register again."""
        sign = (
            update(WorkerRow)
            .where(WorkerRow.device_id == device_id)
            .values(device=device.as_json(), heartbeat_at=utc_now())
            .returning(WorkerRow.device_id)
        )
        with self.db.begin() as session:
            return session.scalar(sign) is not None

    def worker(self, device_id: str) -> WorkerView | None:
        """The worker registered for a device, live or not."""
        with self.db.read() as session:
            row = session.get(WorkerRow, device_id)
            return _worker(row) if row else None

    def remove_worker(self, device_id: str) -> None:
        """Remove a worker that shuts down, together with its engines."""
        with self.db.begin() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.device_id == device_id))

    def put_engine(self, engine: EngineView) -> None:
        """Store an engine's state, replacing its earlier row."""
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
        """Workers with a heartbeat in the last `live_within_s` seconds, ordered by device id."""
        live = select(WorkerRow).where(WorkerRow.heartbeat_at > _since(live_within_s))
        with self.db.read() as session:
            return [_worker(row) for row in session.scalars(live.order_by(WorkerRow.device_id))]

    def engines(self, live_within_s: float = LIVE_WITHIN_S) -> list[EngineView]:
        """Engines of live workers: loaded, loading or failed."""
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
