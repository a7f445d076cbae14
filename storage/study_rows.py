"""From a studies row to its record, and the few reads and writes of it that every other file here needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.errors import StudyNotFound, TermNotFound
from storage.events import STUDY_STATE, reason_body, write_events
from storage.models import STUDIES, TERMS
from storage.records import STUDY_ENDS, Moment, Reason, StudyRecord, StudyState, TermRecord
from storage.types import AnyRow, is_storable

MAX_ATTEMPTS = 3
MAX_LOSSES = 10


def study_record(row: AnyRow) -> StudyRecord:
    """Make the record of a row with all columns of `studies`."""
    stored = dict(row._mapping)
    code, message, at = (stored.pop(f"reason_{part}") for part in ("code", "message", "at"))
    stored["state"] = StudyState(stored["state"])
    stored["warnings"] = tuple(stored["warnings"])
    return StudyRecord(reason=None if code is None else Reason(code, message, at), **stored)


def reason_columns(reason: Reason | None) -> dict[str, str | None]:
    """Spread a reason over its three columns; None clears them."""
    if reason is None:
        return {"reason_code": None, "reason_message": None, "reason_at": None}
    return {"reason_code": reason.code, "reason_message": reason.message, "reason_at": reason.at}


def find_study(session: Session, name: str) -> StudyRecord | None:
    """Look a study up by its name."""
    if not is_storable(name):
        return None
    row = session.execute(select(STUDIES).where(STUDIES.c.name == name)).one_or_none()
    return None if row is None else study_record(row)


def get_study(session: Session, name: str) -> StudyRecord:
    """Get a study by its name. Raises StudyNotFound."""
    found = find_study(session, name)
    if found is None:
        raise StudyNotFound(name)
    return found


def get_study_by_id(session: Session, study_id: int) -> StudyRecord:
    """Get a study by its id. Raises StudyNotFound."""
    row = session.execute(select(STUDIES).where(STUDIES.c.id == study_id)).one_or_none()
    if row is None:
        raise StudyNotFound(study_id)
    return study_record(row)


def lock_study(session: Session, study_id: int) -> StudyRecord:
    """Get a study and keep all others from changing it until this transaction ends. Raises StudyNotFound.

    The order of locks is study, then lease, then trials, everywhere: two transactions that keep to it cannot deadlock.
    """
    return _locked(session, STUDIES.c.id == study_id, study_id)


def lock_study_named(session: Session, name: str) -> StudyRecord:
    """Do as `lock_study`, by name."""
    if not is_storable(name):
        raise StudyNotFound(name)
    return _locked(session, STUDIES.c.name == name, name)


def _locked(session: Session, which: Any, name: str | int) -> StudyRecord:
    # FOR NO KEY UPDATE: rows that refer to the study can still be written beside it.
    row = session.execute(select(STUDIES).where(which).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise StudyNotFound(name)
    return study_record(row)


def change_study(session: Session, study_id: int, now: datetime, **columns: Any) -> StudyRecord:
    """Set columns of a study that is locked, and get it as it is then."""
    changed = update(STUDIES).where(STUDIES.c.id == study_id).values(updated_at=now, **columns).returning(*STUDIES.c)
    return study_record(session.execute(changed).one())


def set_state(session: Session, study: StudyRecord, state: StudyState, reason: Reason | None, now: datetime) -> StudyRecord:
    """Bring a locked study into a state, with the reason, the times and the event that belong to it."""
    ended_at = now if state in STUDY_ENDS else None
    changed = change_study(session, study.id, now, state=state.value, ended_at=ended_at, **reason_columns(reason))
    write_events(session, study.id, [(STUDY_STATE, {"state": state.value, "reason": reason_body(reason)})], now)
    return changed


def study_mark(session: Session) -> tuple[int, int]:
    """Return how many studies there are and the highest id: another pair where one has come or gone, since no id comes again."""
    count, latest = session.execute(select(func.count(STUDIES.c.id), func.max(STUDIES.c.id))).one()
    return count, latest or 0


def study_names(session: Session) -> dict[int, str]:
    """Return the names of all studies by id."""
    return dict(session.execute(select(STUDIES.c.id, STUDIES.c.name)).all())


def terms_of(session: Session, study_id: int) -> tuple[TermRecord, ...]:
    """List what a study measures, in the definition's order."""
    rows = session.execute(
        select(TERMS.c.path, TERMS.c.kind, TERMS.c.direction, TERMS.c.task)
        .where(TERMS.c.study_id == study_id)
        .order_by(TERMS.c.position)
    )
    return tuple(TermRecord(*row) for row in rows)


class TermIds:
    """The ids of a study's terms by path, and back. Raises TermNotFound for a path that the study does not measure."""

    def __init__(self, session: Session, study_id: int) -> None:
        self._study_id = study_id
        found = session.execute(select(TERMS.c.path, TERMS.c.id).where(TERMS.c.study_id == study_id).order_by(TERMS.c.position))
        self._ids: dict[str, int] = dict(found.all())
        self.paths = {id_: path for path, id_ in self._ids.items()}

    def __contains__(self, path: str) -> bool:
        return path in self._ids

    def __getitem__(self, path: str) -> int:
        try:
            return self._ids[path]
        except KeyError:
            raise TermNotFound(self._study_id, path) from None


def counted_moment(study: StudyRecord) -> Moment:
    """Return which moment of a trial is its result: the objective's `epoch`, the last one by default."""
    objective = study.definition.get("objective") or {}
    return Moment(objective.get("epoch", Moment.LAST))


def max_attempts(study: StudyRecord) -> int:
    """Return how many training processes a trial, or the preflight, may lose before it fails: `search.max_attempts`."""
    search = study.definition.get("search") or {}
    return int(search.get("max_attempts", MAX_ATTEMPTS))


def max_losses(study: StudyRecord) -> int:
    """Return how many workers a trial, or the preflight, may lose before it fails: `search.max_losses`."""
    search = study.definition.get("search") or {}
    return int(search.get("max_losses", MAX_LOSSES))
