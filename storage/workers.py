"""Worker processes and the workloads that they can train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.errors import WorkerNotFound
from storage.models import LEASES, STUDIES, WORKERS, WORKLOADS
from storage.records import WorkerRecord, WorkloadRecord
from storage.types import AnyRow, is_storable

ALIVE_SECONDS = 60.0
LISTED_FOR = timedelta(days=1)
"""How long a worker that is gone stays in the list."""


def register(
    session: Session, *, name: str, host: str, pid: int, version: str, workloads: Sequence[str], now: datetime
) -> WorkerRecord:
    """Write down that a worker process has started. Every start has an id of its own, whatever the name."""
    columns = {"name": name, "host": host, "pid": pid, "version": version, "workloads": list(workloads)}
    started = insert(WORKERS).values(**columns, state="starting", started_at=now, heartbeat_at=now).returning(*WORKERS.c)
    return _worker_record(session.execute(started).one(), None, now, ALIVE_SECONDS)


def heartbeat(session: Session, worker_id: int, state: str, now: datetime) -> None:
    """Say that a worker lives and is `starting`, `idle` or `busy`. Raises WorkerNotFound."""
    _change(session, worker_id, state=state, heartbeat_at=now)


def deregister(session: Session, worker_id: int, now: datetime) -> None:
    """Say that a worker has ended. Its leases are released before, or reaped. Raises WorkerNotFound."""
    _change(session, worker_id, state="stopped", stopped_at=now)


def _change(session: Session, worker_id: int, **columns: Any) -> None:
    changed = update(WORKERS).where(WORKERS.c.id == worker_id).values(**columns).returning(WORKERS.c.id)
    if session.scalar(changed) is None:
        raise WorkerNotFound(worker_id)


def list_workers(session: Session, now: datetime, alive_within_seconds: float = ALIVE_SECONDS) -> list[WorkerRecord]:
    """List the workers heard of within a day, oldest first, each with the study it works on."""
    study = (
        select(func.max(STUDIES.c.name))
        .join(LEASES, LEASES.c.study_id == STUDIES.c.id)
        .where(LEASES.c.worker_id == WORKERS.c.id, LEASES.c.released_at.is_(None))
        .scalar_subquery()
    )
    rows = session.execute(
        select(*WORKERS.c, study.label("study")).where(WORKERS.c.heartbeat_at > now - LISTED_FOR).order_by(WORKERS.c.id)
    )
    return [_worker_record(row, row.study, now, alive_within_seconds) for row in rows]


def live_workloads(session: Session, now: datetime, alive_within_seconds: float = ALIVE_SECONDS) -> Mapping[str, int]:
    """Count the live workers that can train each workload."""
    names = session.scalars(
        select(WORKERS.c.workloads).where(
            WORKERS.c.stopped_at.is_(None), WORKERS.c.heartbeat_at > now - timedelta(seconds=alive_within_seconds)
        )
    )
    return Counter(name for each in names for name in dict.fromkeys(each))


def _worker_record(row: AnyRow, study: str | None, now: datetime, alive_within_seconds: float) -> WorkerRecord:
    return WorkerRecord(
        id=row.id,
        name=row.name,
        host=row.host,
        pid=row.pid,
        version=row.version,
        workloads=tuple(row.workloads),
        state=row.state,
        alive=row.stopped_at is None and row.heartbeat_at > now - timedelta(seconds=alive_within_seconds),
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        stopped_at=row.stopped_at,
        study=study,
    )


def publish_workload(session: Session, name: str, digest: str, description: Mapping[str, Any], now: datetime) -> None:
    """Store what a workload is; the latest description wins, and the same one again writes nothing."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(WORKLOADS).values(name=name, digest=digest, description=dict(description), published_at=now)
    written = {"digest": new.excluded.digest, "description": new.excluded.description, "published_at": now}
    same = WORKLOADS.c.digest != new.excluded.digest
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_=written, where=same))


def list_workloads(session: Session) -> list[WorkloadRecord]:
    """List the published workloads by name."""
    return [WorkloadRecord(*row) for row in session.execute(select(WORKLOADS).order_by(WORKLOADS.c.name))]


def descriptions_of(session: Session, names: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Get what is published of these workloads, by name."""
    rows = session.execute(select(WORKLOADS.c.name, WORKLOADS.c.description).where(WORKLOADS.c.name.in_(names)))
    return dict(rows.all())


def find_workload(session: Session, name: str) -> WorkloadRecord | None:
    """Look a published workload up by its name."""
    if not is_storable(name):
        return None
    row = session.execute(select(WORKLOADS).where(WORKLOADS.c.name == name)).one_or_none()
    return None if row is None else WorkloadRecord(*row)
