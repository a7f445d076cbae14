"""What the loss of a process costs: its trials go back to wait for another attempt, or end FAILED; so for a preflight.

The loss of a training process and that of a worker count apart. The first is most likely the training's own doing: the trials of
its cohort are tried again in smaller and smaller cohorts, so that one that ends its process comes to fail alone. The second is
most likely none of their doing: they are tried again together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, select, update
from sqlalchemy.orm import Session

from storage.events import TRIAL_STATE, reason_body, write_events
from storage.models import COHORTS, TRIALS
from storage.outcomes import end_trials
from storage.records import STUDY_ENDS, Outcome, Reason, StudyRecord, StudyState, TrialState
from storage.study_rows import change_study, lock_study, max_attempts, max_losses, reason_columns, set_state
from storage.types import AnyRow


class Charge(StrEnum):
    """What the end of a lease uses up of what it held."""

    NOTHING = "nothing"  # a clean shutdown
    ATTEMPT = "attempt"  # the training process was lost: one of `max_attempts`
    LOSS = "loss"  # the worker was lost: one of `max_losses`


def requeue(session: Session, study_id: int, numbers: Collection[int], *, charge: Charge, reason: Reason, now: datetime) -> None:
    """Send RUNNING trials back to wait for another attempt; those that do not run are left alone.

    An attempt that is charged makes the next cohort at most half as large. The last allowed attempt runs alone; past it the trial
    is FAILED with this reason. A loss that is charged shrinks nothing, but for the last allowed one, which runs alone too.
    In a study that is stopping or has ended, where nothing will be tried again, they are CANCELLED.
    """
    study = lock_study(session, study_id)
    counts = (TRIALS.c.charged, TRIALS.c.losses, TRIALS.c.cohort_limit, TRIALS.c.epochs)
    rows = session.execute(
        select(TRIALS.c.id, TRIALS.c.number, *counts, COHORTS.c.size)
        .join(COHORTS, COHORTS.c.id == TRIALS.c.cohort_id)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.number.in_(numbers), TRIALS.c.state == TrialState.RUNNING.value)
        .order_by(TRIALS.c.number)
    ).all()
    if study.state is StudyState.STOPPING or study.state in STUDY_ENDS:
        end_trials(session, study, _ended(rows, TrialState.CANCELLED, reason), now)
        return
    spent = [row for row in rows if charge is not Charge.NOTHING and _left(study, row, charge) == 0]
    end_trials(session, study, _ended(spent, TrialState.FAILED, _at_last(study, charge, reason)), now)
    if spent:
        column = TRIALS.c.charged if charge is Charge.ATTEMPT else TRIALS.c.losses
        session.execute(update(TRIALS).where(TRIALS.c.id.in_([row.id for row in spent])).values({column: column + 1}))
    _wait_again(session, study, [row for row in rows if row not in spent], charge, reason, now)


def _ended(rows: Sequence[AnyRow], state: TrialState, reason: Reason) -> dict[int, Outcome]:
    return {row.id: Outcome(row.number, state, row.epochs, reason=reason) for row in rows}


def _left(study: StudyRecord, row: AnyRow, charge: Charge) -> int:
    """Return how many attempts, or losses, a trial has left once this one is charged."""
    attempts, losses = int(row.charged), int(row.losses)
    return max(0, (max_attempts(study) - attempts if charge is Charge.ATTEMPT else max_losses(study) - losses) - 1)


def _at_last(study: StudyRecord, charge: Charge, reason: Reason) -> Reason:
    """Return why a trial fails that has no attempt left: a lost worker alone says nothing of how often that happened."""
    if charge is not Charge.LOSS or max_losses(study) == 1:
        return reason
    return Reason(reason.code, f"lost {max_losses(study)} times with its worker, the last time so: {reason.message}", reason.at)


def _wait_again(
    session: Session, study: StudyRecord, rows: Sequence[AnyRow], charge: Charge, reason: Reason, now: datetime
) -> None:
    if not rows:
        return
    changes = [
        {
            "trial": row.id,
            "charged": row.charged + (charge is Charge.ATTEMPT),
            "losses": row.losses + (charge is Charge.LOSS),
            "cohort_limit": _next_limit(study, row, charge),
        }
        for row in rows
    ]
    waiting: dict[str, Any] = {"state": TrialState.WAITING.value, "epochs": 0, "seconds": 0.0, **reason_columns(reason)}
    session.connection().execute(update(TRIALS).where(TRIALS.c.id == bindparam("trial")).values(**waiting), changes)
    body = {"state": TrialState.WAITING.value, "reason": reason_body(reason)}
    write_events(session, study.id, [(TRIAL_STATE, {"number": row.number, **body}) for row in rows], now)


def _next_limit(study: StudyRecord, row: AnyRow, charge: Charge) -> int | None:
    """Bound the next cohort of a trial that goes back to wait."""
    before: int | None = row.cohort_limit
    if charge is Charge.NOTHING:
        return before
    if _left(study, row, charge) == 1:
        return 1
    return max(1, int(row.size) // 2) if charge is Charge.ATTEMPT else before


def charge_preflight(session: Session, study: StudyRecord, charge: Charge, reason: Reason, now: datetime) -> None:
    """Count a preflight that was lost; the study, which is locked, is FAILED when that has happened too often."""
    if study.prepared or study.state in STUDY_ENDS or charge is Charge.NOTHING:
        return
    if charge is Charge.ATTEMPT:
        changed = change_study(session, study.id, now, preparations=study.preparations + 1)
        lost, most, process = changed.preparations, max_attempts(study), "training process"
    else:
        changed = change_study(session, study.id, now, losses=study.losses + 1)
        lost, most, process = changed.losses, max_losses(study), "worker"
    if lost >= most:
        times = "once" if lost == 1 else f"{lost} times"
        message = f"the preflight was lost {times} with its {process}, the last time so: {reason.message}"
        set_state(session, changed, StudyState.FAILED, Reason(reason.code, message, reason.at), now)


def fail_if_all_are_lost(session: Session, study: StudyRecord, cohort_id: int, reason: Reason, now: datetime) -> bool:
    """Fail a locked study in which every trial so far was lost as those of this cohort were just now; returns whether it did.

    One trial that ends its process can take its whole cohort with it, again and again. So this waits until one has FAILED by itself
    and a cohort without it is lost as well: then no single trial is to blame.

    A trial that other workers train at this moment speaks for the study in its first attempt, once it has finished an epoch, and
    once it has trained for longer than this cohort did before it was lost. One that was lost before, and has done neither since,
    says nothing: it is FAILED with the study, and its lease is the caller's to end.
    """
    started = (TRIALS.c.study_id == study.id) & (TRIALS.c.attempt > 0)
    alike = TRIALS.c.reason_code == reason.code
    if reason.code == "child_lost":  # the message has the exit code or signal: a crash and somebody's kill are not alike
        alike &= TRIALS.c.reason_message.endswith(reason.message, autoescape=True)
    failed = (TRIALS.c.state == TrialState.FAILED.value) & alike
    waiting = (TRIALS.c.state == TrialState.WAITING.value) & alike & (TRIALS.c.charged > 0)
    began = select(COHORTS.c.started_at).where(COHORTS.c.id == cohort_id).scalar_subquery()
    unheard = (TRIALS.c.state == TrialState.RUNNING.value) & (TRIALS.c.charged > 0) & (TRIALS.c.epochs == 0)
    unheard &= TRIALS.c.started_at >= began
    if study.state is not StudyState.RUNNING or not _any(session, started & failed & (TRIALS.c.cohort_id != cohort_id)):
        return False
    if _any(session, started & ~unheard & ~((failed | waiting) & TRIALS.c.reason_code.is_not(None))):
        return False
    count = len(session.execute(select(TRIALS.c.id).where(started & ~unheard)).all())
    again = _fail_all(session, study, started & unheard, Reason("study_ended", f"its study ended: {reason.message}"), now)
    _fail_all(session, study, started & waiting, reason, now)
    beside = f"; {again} more {'was' if again == 1 else 'were'} lost before and had finished no epoch since" if again else ""
    message = f"every trial so far, {count} of them, was lost in the same way, the last time so: {reason.message}{beside}"
    set_state(session, study, StudyState.FAILED, Reason(reason.code, message, reason.at), now)
    return True


def _fail_all(session: Session, study: StudyRecord, chosen: ColumnElement[bool], reason: Reason, now: datetime) -> int:
    rows = session.execute(select(TRIALS.c.id, TRIALS.c.number, TRIALS.c.epochs).where(chosen).order_by(TRIALS.c.number)).all()
    end_trials(session, study, _ended(rows, TrialState.FAILED, reason), now)
    return len(rows)


def _any(session: Session, condition: ColumnElement[bool]) -> bool:
    return bool(session.scalar(select(exists().where(condition))))
