"""What happened to a study, in order: the rows behind its event stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from storage.models import EVENTS, STUDIES
from storage.records import EventRecord, Reason

STUDY_CREATED = "study.created"  # {"name"}
STUDY_STATE = "study.state"  # {"state", "reason"}
STUDY_CHANGED = "study.changed"  # {"trials"}, {"stop"}, {"rescored"} or {"labels", "description"}
TRIAL_STATE = "trial.state"  # {"number", "state", "attempt", "reason"}: started, ended or waiting again


def add_event(session: Session, study_id: int, kind: str, body: Mapping[str, Any], now: datetime) -> None:
    """Write down that something happened. `body` is JSON.

    Takes the study's lock first: without it a reader that goes on from the last id it saw could miss an event whose transaction
    began earlier and ended later.
    """
    session.execute(select(STUDIES.c.id).where(STUDIES.c.id == study_id).with_for_update(key_share=True))
    write_events(session, study_id, [(kind, body)], now)


def write_events(session: Session, study_id: int, events: Iterable[tuple[str, Mapping[str, Any]]], now: datetime) -> None:
    """Write several events down, oldest first. The caller holds the study's lock."""
    rows = [{"study_id": study_id, "kind": kind, "body": dict(body), "created_at": now} for kind, body in events]
    if rows:
        session.execute(insert(EVENTS), rows)


def events_after(session: Session, study_id: int, after_id: int, limit: int) -> list[EventRecord]:
    """List at most `limit` events of a study with an id above `after_id`, oldest first."""
    after = _events().where(EVENTS.c.study_id == study_id, EVENTS.c.id > after_id)
    rows = session.execute(after.order_by(EVENTS.c.id).limit(limit))
    return [EventRecord(*row) for row in rows]


def reason_body(reason: Reason | None) -> dict[str, Any] | None:
    """Put a reason as JSON, as events carry it."""
    return None if reason is None else {"code": reason.code, "message": reason.message, "at": reason.at}


def last_events(session: Session, study_id: int, count: int) -> list[EventRecord]:
    """List the latest `count` events of a study, oldest first."""
    rows = session.execute(_events().where(EVENTS.c.study_id == study_id).order_by(EVENTS.c.id.desc()).limit(count)).all()
    return [EventRecord(*row) for row in reversed(rows)]


def latest_event_id(session: Session) -> int:
    """Return the highest id of an event of any study; 0 before there is one."""
    return session.scalar(select(func.max(EVENTS.c.id))) or 0


def events_of_all(session: Session, after_id: int, limit: int) -> list[tuple[str, EventRecord]]:
    """List at most `limit` events of all studies with an id above `after_id`, by id, each with its study's name.

    Ids become visible in their order within a study; on PostgreSQL an event of one study may appear after a later one of another.
    """
    rows = session.execute(
        select(STUDIES.c.name, EVENTS.c.id, EVENTS.c.study_id, EVENTS.c.kind, EVENTS.c.body, EVENTS.c.created_at)
        .join(STUDIES, STUDIES.c.id == EVENTS.c.study_id)
        .where(EVENTS.c.id > after_id)
        .order_by(EVENTS.c.id)
        .limit(limit)
    )
    return [(name, EventRecord(*event)) for name, *event in rows]


def _events() -> Select[Any]:
    return select(EVENTS.c.id, EVENTS.c.study_id, EVENTS.c.kind, EVENTS.c.body, EVENTS.c.created_at)
