"""What a user does to a study, as transitions: each verb can be repeated, and says WrongState where it cannot be done.

    QUEUED --prepared--> RUNNING --end_study--> COMPLETE | FAILED
       |  \\               |    \\
       |   pause, resume: PAUSED (back to RUNNING once prepared, else to QUEUED)
       |                  |
       +---- stop ------> STOPPING --nothing runs any more--> STOPPED      (at once where nothing runs)
       +---- cancel ----> CANCELLED                                       (from STOPPING too)

An end is left in two ways only: retry (COMPLETE or FAILED, with trials to do again) and more to train (COMPLETE): a raised
budget, a stop that is taken back, a confirmation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from storage.errors import BudgetTooSmall, WrongState
from storage.events import STUDY_CHANGED, write_events
from storage.leases import revoke_leases
from storage.models import STUDIES, TRIALS
from storage.outcomes import cancel_trials, has_running, reopen_failed, settle
from storage.records import STUDY_ENDS, Reason, Role, StudyRecord, StudyState, TrialState
from storage.study_rows import change_study, lock_study_named, set_state, study_record

OPEN = (StudyState.QUEUED, StudyState.RUNNING, StudyState.PAUSED)
STOPPED_BY_USER = Reason("stopped", "the study was stopped")
STOPS = frozenset({"stopped_after_seconds", "stopped_no_gain"})
"""Reasons of a COMPLETE study whose search ended before its budget was spent."""
CANCELLED_BY_USER = Reason("cancelled", "the study was cancelled")


def _require(study: StudyRecord, wanted: str, allowed: Collection[StudyState]) -> None:
    if study.state not in allowed:
        raise WrongState(study.name, study.state, wanted, allowed)


def pause(session: Session, name: str, now: datetime) -> StudyRecord:
    """Begin no new cohorts; what runs goes on. Raises StudyNotFound, WrongState."""
    study = lock_study_named(session, name)
    _require(study, "pause", OPEN)
    return study if study.state is StudyState.PAUSED else set_state(session, study, StudyState.PAUSED, None, now)


def resume(session: Session, name: str, now: datetime) -> StudyRecord:
    """Go on with a paused study. Raises StudyNotFound, WrongState."""
    study = lock_study_named(session, name)
    _require(study, "resume", OPEN)
    if study.state is not StudyState.PAUSED:
        return study
    return set_state(session, study, _begun(study), None, now)


def _begun(study: StudyRecord) -> StudyState:
    return StudyState.RUNNING if study.prepared else StudyState.QUEUED


def stop(session: Session, name: str, now: datetime) -> StudyRecord:
    """Cancel what waits and let what runs finish; STOPPED at once where nothing runs. Raises StudyNotFound, WrongState."""
    study = lock_study_named(session, name)
    _require(study, "stop", (*OPEN, StudyState.STOPPING, StudyState.STOPPED))
    if study.state not in OPEN:
        return study
    cancel_trials(session, study, [TrialState.WAITING], STOPPED_BY_USER, now)
    if has_running(session, study.id):
        return set_state(session, study, StudyState.STOPPING, STOPPED_BY_USER, now)
    revoke_leases(session, study.id, now)  # a preflight, at most: it prepares nothing any more
    return set_state(session, study, StudyState.STOPPED, STOPPED_BY_USER, now)


def cancel(session: Session, name: str, now: datetime) -> StudyRecord:
    """End a study and everything of it at once; its workers find their leases lost. Raises StudyNotFound, WrongState."""
    study = lock_study_named(session, name)
    _require(study, "cancel", (*OPEN, StudyState.STOPPING, StudyState.CANCELLED))
    if study.state is StudyState.CANCELLED:
        return study
    revoke_leases(session, study.id, now)
    cancel_trials(session, study, [TrialState.WAITING, TrialState.RUNNING], CANCELLED_BY_USER, now)
    return set_state(session, study, StudyState.CANCELLED, CANCELLED_BY_USER, now)


def retry(session: Session, name: str, now: datetime) -> StudyRecord:
    """Do FAILED trials again, with all attempts before them, and a FAILED study with them: its preflight where that failed.

    Trials without an objective stay as they are. Nothing to do again is no error. Raises StudyNotFound, WrongState.
    """
    study = lock_study_named(session, name)
    _require(study, "retry", (*OPEN, StudyState.COMPLETE, StudyState.FAILED))
    reopened = reopen_failed(session, study, now)
    if study.state is StudyState.FAILED or (study.state is StudyState.COMPLETE and reopened):
        change_study(session, study.id, now, preparations=0, losses=0)
        return set_state(session, study, _begun(study), None, now)
    return study


def raise_budget(session: Session, name: str, trials: int, now: datetime) -> StudyRecord:
    """Set how many search trials a study may run; a COMPLETE study goes on when it may run more than it has.

    Down is possible as far as the search trials that exist, and not below 1. Raises StudyNotFound, WrongState, BudgetTooSmall.
    """
    study = lock_study_named(session, name)
    _require(study, "change the number of trials", (*OPEN, StudyState.COMPLETE))
    searched = select(func.count()).where(TRIALS.c.study_id == study.id, TRIALS.c.role == Role.SEARCH.value)
    planned = session.scalar(searched) or 0
    if trials < max(1, planned):
        raise BudgetTooSmall(name, trials, max(1, planned))
    if trials == study.trial_budget:
        return study
    changed = change_study(session, study.id, now, trial_budget=trials)
    write_events(session, study.id, [(STUDY_CHANGED, {"trials": trials})], now)
    if study.state is StudyState.COMPLETE and trials > planned:
        return set_state(session, changed, StudyState.RUNNING, None, now)
    return changed


def change_stop(session: Session, name: str, stop: Mapping[str, Any] | None, now: datetime) -> StudyRecord:
    """Set when a study's search ends early, None: never. A COMPLETE study that such a stop had ended goes on.

    Raises StudyNotFound, WrongState.
    """
    study = lock_study_named(session, name)
    _require(study, "change when the search stops", (*OPEN, StudyState.COMPLETE))
    search = study.definition.get("search") or {}
    if search.get("stop") == stop:
        return study
    changed = change_study(session, study.id, now, definition={**study.definition, "search": {**search, "stop": stop}})
    write_events(session, study.id, [(STUDY_CHANGED, {"stop": stop})], now)
    if study.state is StudyState.COMPLETE and study.reason is not None and study.reason.code in STOPS:
        return set_state(session, changed, StudyState.RUNNING, None, now)
    return changed


def confirm(session: Session, name: str, search: Mapping[str, Any], definition_sha256: str, now: datetime) -> StudyRecord:
    """Have a study repeat its winner on fresh seeds: `search` is that part of its definition with a confirmation.

    A COMPLETE study goes on. Raises StudyNotFound, WrongState.
    """
    study = lock_study_named(session, name)
    _require(study, "confirm", (*OPEN, StudyState.COMPLETE))
    definition = {**study.definition, "search": dict(search)}
    changed = change_study(session, study.id, now, definition=definition, definition_sha256=definition_sha256)
    write_events(session, study.id, [(STUDY_CHANGED, {"confirmation": search["confirmation"]})], now)
    return set_state(session, changed, StudyState.RUNNING, None, now) if study.state is StudyState.COMPLETE else changed


def relabel(session: Session, name: str, labels: Mapping[str, str] | None, description: str | None, now: datetime) -> StudyRecord:
    """Replace a study's labels and its description; None leaves either as it is. Raises StudyNotFound."""
    study = lock_study_named(session, name)
    new: dict[str, Any] = {
        "labels": dict(study.labels if labels is None else labels),
        "description": study.description if description is None else description,
    }
    if new == {"labels": study.labels, "description": study.description}:
        return study
    write_events(session, study.id, [(STUDY_CHANGED, new)], now)
    return change_study(session, study.id, now, **new)


def change_priority(session: Session, name: str, priority: int, now: datetime) -> StudyRecord:
    """Set which studies a study is served before: those of a lower priority. Raises StudyNotFound."""
    study = lock_study_named(session, name)
    if study.priority == priority:
        return study
    write_events(session, study.id, [(STUDY_CHANGED, {"priority": priority})], now)
    return change_study(session, study.id, now, priority=priority)


def delete_study(session: Session, name: str, now: datetime) -> None:
    """Delete an ended study with everything it measured. Raises StudyNotFound, WrongState."""
    study = lock_study_named(session, name)
    _require(study, "delete", sorted(STUDY_ENDS))
    revoke_leases(session, study.id, now)
    session.execute(delete(TRIALS).where(TRIALS.c.study_id == study.id))
    session.execute(delete(STUDIES).where(STUDIES.c.id == study.id))


def settle_stopping(session: Session, now: datetime) -> int:
    """End the STOPPING studies in which nothing runs any more; gives how many."""
    stopping = (
        select(STUDIES)
        .where(STUDIES.c.state == StudyState.STOPPING.value)
        .order_by(STUDIES.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    studies = [study_record(row) for row in session.execute(stopping)]
    return sum(settle(session, study, now).state is StudyState.STOPPED for study in studies)
