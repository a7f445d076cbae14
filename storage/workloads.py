"""Workloads as workers published them, why others could not be described, and which worker has which version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.fleet_records import WorkloadFailure, WorkloadRecord
from storage.models import WORKER_WORKLOADS, WORKERS, WORKLOAD_FAILURES, WORKLOADS
from storage.types import is_storable
from storage.workers import ALIVE_SECONDS, live_workloads


def publish_workload(
    session: Session, name: str, digest: str, description: Mapping[str, Any], now: datetime, version: str | None = None
) -> None:
    """Store what a workload is; the latest description wins, and the same one again writes nothing. A failure is forgotten."""
    forget_failure(session, name)
    columns = {"digest": digest, "description": dict(description), "version": version}
    new = _insert(session, WORKLOADS).values(name=name, published_at=now, **columns)
    changed = (WORKLOADS.c.digest != new.excluded.digest) | WORKLOADS.c.version.is_distinct_from(new.excluded.version)
    written = {column: new.excluded[column] for column in (*columns, "published_at")}
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_=written, where=changed))


def publish_failure(session: Session, name: str, message: str, at: str | None, now: datetime, version: str | None = None) -> None:
    """Store why a workload could not be described; what was published of it stays, and the same failure again writes nothing."""
    columns = {"version": version, "message": message, "at": at}
    new = _insert(session, WORKLOAD_FAILURES).values(name=name, published_at=now, **columns)
    kept = WORKLOAD_FAILURES.c
    changed = (
        kept.message.is_distinct_from(new.excluded.message)
        | kept.at.is_distinct_from(new.excluded["at"])
        | kept.version.is_distinct_from(new.excluded.version)
    )
    written = {column: new.excluded[column] for column in (*columns, "published_at")}
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_=written, where=changed))


def forget_failure(session: Session, name: str) -> None:
    """Forget why a workload could not be described: nobody registers it any more."""
    session.execute(delete(WORKLOAD_FAILURES).where(WORKLOAD_FAILURES.c.name == name))


def _insert(session: Session, table: Any) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def list_workloads(session: Session) -> list[WorkloadRecord]:
    """List the published workloads by name."""
    return [WorkloadRecord(*row) for row in session.execute(select(WORKLOADS).order_by(WORKLOADS.c.name))]


def find_workload(session: Session, name: str) -> WorkloadRecord | None:
    """Look a published workload up by its name."""
    if not is_storable(name):
        return None
    row = session.execute(select(WORKLOADS).where(WORKLOADS.c.name == name)).one_or_none()
    return None if row is None else WorkloadRecord(*row)


def failures(session: Session, now: datetime, alive_within_seconds: float = ALIVE_SECONDS) -> dict[str, WorkloadFailure]:
    """Return by name why workloads cannot be described as they are now.

    A failure counts as long as a live worker may have met it, and no other live worker has what the failing one lacks.
    """
    rows = session.execute(select(WORKLOAD_FAILURES).order_by(WORKLOAD_FAILURES.c.name)).all()
    if not rows:
        return {}
    published = dict(session.execute(select(WORKLOADS.c.name, WORKLOADS.c.version)).all())
    live = live_workloads(session, now, alive_within_seconds)
    holders = select(WORKER_WORKLOADS.c.name, WORKER_WORKLOADS.c.version).join(
        WORKERS, WORKERS.c.id == WORKER_WORKLOADS.c.worker_id
    )
    held = Counter((row.name, row.version) for row in session.execute(holders.where(*_alive(now, alive_within_seconds))))

    def counts(failure: WorkloadFailure) -> bool:
        name, version = failure.name, failure.version
        if failure.at == f"{name}.json":  # a registration that does not count, of no version and no worker's
            return True
        able = held[name, version] if version is not None else live.get(name, 0)
        if able == 0:
            return False
        if name in published and published[name] == version:
            return able == 1
        return version is not None or not 0 < held[name, published.get(name)] < able

    return {failure.name: failure for failure in (WorkloadFailure(*row) for row in rows) if counts(failure)}


def _alive(now: datetime, within_seconds: float = ALIVE_SECONDS) -> tuple[ColumnElement[bool], ...]:
    return WORKERS.c.stopped_at.is_(None), WORKERS.c.heartbeat_at > now - timedelta(seconds=within_seconds)


def set_worker_versions(session: Session, worker_id: int, versions: Iterable[tuple[str, str]]) -> None:
    """Write down which (name, version) of workloads a worker can train, in place of what was said before."""
    session.execute(delete(WORKER_WORKLOADS).where(WORKER_WORKLOADS.c.worker_id == worker_id))
    rows = [{"worker_id": worker_id, "name": name, "version": version} for name, version in versions]
    if rows:
        session.execute(insert(WORKER_WORKLOADS), rows)


def is_version_alive(session: Session, name: str, version: str, now: datetime) -> bool:
    """Return whether a live worker can train this version of a workload."""
    held = (
        select(WORKERS.c.id)
        .join(WORKER_WORKLOADS, WORKER_WORKLOADS.c.worker_id == WORKERS.c.id)
        .where(WORKER_WORKLOADS.c.name == name, WORKER_WORKLOADS.c.version == version)
        .where(*_alive(now))
    )
    return session.execute(held.limit(1)).one_or_none() is not None


def is_described_elsewhere(session: Session, name: str, version: str | None, worker_id: int, now: datetime) -> bool:
    """Return whether another live worker has the published version of a workload that this worker cannot describe as it is.

    `version`: that of this worker's files, None where they are not there. Who has them too counts where they are what is published.
    """
    has, own = WORKER_WORKLOADS, WORKER_WORKLOADS.alias()
    same = select(own.c.worker_id).where(own.c.worker_id == WORKERS.c.id, own.c.name == name, own.c.version == (version or ""))
    others = (
        select(WORKERS.c.id)
        .join(has, has.c.worker_id == WORKERS.c.id)
        .join(WORKLOADS, (WORKLOADS.c.name == has.c.name) & (WORKLOADS.c.version == has.c.version))
        .where(has.c.name == name, WORKERS.c.id != worker_id, *_alive(now))
        .where((WORKLOADS.c.version == version) | ~same.exists())
    )
    return session.execute(others.limit(1)).one_or_none() is not None


def descriptions_of(session: Session, names: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Get what is published of these workloads, by name."""
    rows = session.execute(select(WORKLOADS.c.name, WORKLOADS.c.description).where(WORKLOADS.c.name.in_(names)))
    return dict(rows.all())
