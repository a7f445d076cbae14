"""Plug-ins from outside, as workers published them, and which worker has which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.fleet_records import PluginRecord
from storage.models import PLUGINS, WORKER_PLUGINS


def publish_plugin(session: Session, kind: str, name: str, digest: str, traits: Mapping[str, Any], now: datetime) -> None:
    """Store what a plug-in is; the latest traits win, and the same ones again write nothing."""
    new = _insert(session).values(kind=kind, name=name, digest=digest, traits=dict(traits), failure=None, published_at=now)
    written = {"digest": new.excluded.digest, "traits": new.excluded.traits, "failure": None, "published_at": now}
    changed = PLUGINS.c.digest.is_distinct_from(new.excluded.digest) | PLUGINS.c.failure.is_not(None)
    session.execute(new.on_conflict_do_update(index_elements=["kind", "name"], set_=written, where=changed))


def publish_failure(session: Session, kind: str, name: str, failure: str, now: datetime) -> None:
    """Store why a worker could not load a plug-in; what another worker published of it stays."""
    new = _insert(session).values(kind=kind, name=name, digest=None, traits=None, failure=failure, published_at=now)
    written = {"failure": new.excluded.failure, "published_at": now}
    changed = PLUGINS.c.failure.is_distinct_from(new.excluded.failure)
    session.execute(new.on_conflict_do_update(index_elements=["kind", "name"], set_=written, where=changed))


def _insert(session: Session) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(PLUGINS)


def list_plugins(session: Session) -> list[PluginRecord]:
    """List the published plug-ins by kind and name."""
    return [PluginRecord(*row) for row in session.execute(select(PLUGINS).order_by(PLUGINS.c.kind, PLUGINS.c.name))]


def set_worker_plugins(session: Session, worker_id: int, named: Iterable[tuple[str, str]]) -> None:
    """Write down which plug-ins a worker can run, in place of what was said before."""
    session.execute(delete(WORKER_PLUGINS).where(WORKER_PLUGINS.c.worker_id == worker_id))
    rows = [{"worker_id": worker_id, "kind": kind, "name": name} for kind, name in named]
    if rows:
        session.execute(insert(WORKER_PLUGINS), rows)


def worker_plugins(session: Session, worker_ids: Collection[int]) -> dict[int, frozenset[tuple[str, str]]]:
    """Return the (kind, name) of the plug-ins that each of the workers can run."""
    found: dict[int, set[tuple[str, str]]] = {worker_id: set() for worker_id in worker_ids}
    rows = session.execute(select(WORKER_PLUGINS).where(WORKER_PLUGINS.c.worker_id.in_(worker_ids)))
    for worker_id, kind, name in rows:
        found[worker_id].add((kind, name))
    return {worker_id: frozenset(named) for worker_id, named in found.items()}
