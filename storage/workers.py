"""Worker processes, and the names of the workloads that they can train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from storage.errors import WorkerNotFound
from storage.fleet_records import UNKNOWN_USAGE, Traces, WarmStudy, WorkerRecord, WorkerUsage
from storage.models import LEASES, STUDIES, WORKERS
from storage.types import AnyRow

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


def heartbeat(session: Session, worker_id: int, state: str, now: datetime, usage: WorkerUsage = UNKNOWN_USAGE) -> None:
    """Say that a worker lives, is `starting`, `idle` or `busy`, and what it uses. Raises WorkerNotFound."""
    _change(
        session,
        worker_id,
        state=state,
        heartbeat_at=now,
        memory_bytes=usage.memory_bytes,
        peak_memory_bytes=usage.peak_memory_bytes,
        **_trace_columns(usage.traces),
    )


def _trace_columns(traces: Traces | None) -> dict[str, Any]:
    if traces is None:
        return dict.fromkeys(("traces", "tracing_seconds", "work_seconds", "warm"))
    return {
        "traces": traces.made,
        "tracing_seconds": traces.seconds,
        "work_seconds": traces.work_seconds,
        "warm": [{"study": each.study, "graphs": each.graphs} for each in traces.warm],
    }


def set_workloads(session: Session, worker_id: int, workloads: Sequence[str]) -> None:
    """Write down which workloads a worker can train from now on. Raises WorkerNotFound."""
    _change(session, worker_id, workloads=list(workloads))


def deregister(session: Session, worker_id: int, now: datetime) -> None:
    """Say that a worker has ended: it holds no memory and no graphs any more. Its leases are released before, or reaped.

    Raises WorkerNotFound.
    """
    _change(session, worker_id, state="stopped", stopped_at=now, memory_bytes=None, **_trace_columns(None))


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
        memory_bytes=row.memory_bytes,
        peak_memory_bytes=row.peak_memory_bytes,
        traces=_traces(row),
    )


def _traces(row: AnyRow) -> Traces | None:
    if row.traces is None:
        return None
    warm = tuple(WarmStudy(each["study"], each["graphs"]) for each in row.warm)
    return Traces(row.traces, row.tracing_seconds, row.work_seconds, warm)
