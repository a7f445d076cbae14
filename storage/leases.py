"""Claims: a worker holds a study's cohort (or its preflight) for a time, renews it while it lives, and loses it for good.

    acquire -> renew ... renew -> complete            the work is done
                               -> release             given back: a clean shutdown, or a training process that was lost
                               -> lose                its worker is known to be dead
                               -> reap                nobody renewed it in time
                               -> revoke_leases       the study was cancelled, stopped or deleted

A lease stands while `now < expires_at`. Past that nobody may renew it; until a reaper ends it, what its holder writes still counts,
because nobody else has been given its trials.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from storage.cohort_sizes import count_success
from storage.errors import LeaseLost
from storage.fencing import fence
from storage.models import COHORTS, LEASES, STUDIES, TRIALS
from storage.outcomes import settle
from storage.records import LeaseRecord, Reason, StudyRecord, TrialState
from storage.retries import Charge, charge_preflight, fail_if_all_are_lost, requeue
from storage.study_rows import get_study_by_id, study_record
from storage.turns import count_turn
from storage.types import AnyRow

PREFLIGHT = "preflight"
COHORT = "cohort"

WORKER_LOST = Reason("worker_lost", "the worker stopped renewing its lease")
WORKER_STOPPED = Reason("worker_stopped", "the worker was shut down")
CHILD_LOST = Reason("child_lost", "the training process ended without a result")
NOT_REPORTED = Reason("not_reported", "the cohort ended without a result for this trial")


def lease_record(row: AnyRow) -> LeaseRecord:
    """Make the record of a row with all columns of `leases`."""
    return LeaseRecord(
        token=row.id,
        study_id=row.study_id,
        worker_id=row.worker_id,
        purpose=row.purpose,
        cohort_id=row.cohort_id,
        acquired_at=row.acquired_at,
        expires_at=row.expires_at,
        released_at=row.released_at,
        ending=row.ending,
    )


def acquire(session: Session, study_id: int, worker_id: int, purpose: str, seconds: float, now: datetime) -> LeaseRecord:
    """Give a worker a lease until `now + seconds`. The study is locked. `purpose` is `preflight` or `cohort`."""
    count_turn(session, study_id, now)
    claimed = insert(LEASES).values(
        study_id=study_id,
        worker_id=worker_id,
        purpose=purpose,
        acquired_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    return lease_record(session.execute(claimed.returning(*LEASES.c)).one())


def renew(session: Session, token: int, seconds: float, now: datetime) -> LeaseRecord:
    """Let a lease stand until `now + seconds`. Raises LeaseLost when it has ended or its time is over, to the instant.

    In a transaction with other writes it comes last: it takes the lease's lock without the study's (see `lock_study`).
    """
    held = update(LEASES).where(LEASES.c.id == token, LEASES.c.released_at.is_(None), LEASES.c.expires_at > now)
    row = session.execute(held.values(expires_at=now + timedelta(seconds=seconds)).returning(*LEASES.c)).one_or_none()
    if row is None:
        raise LeaseLost(token)
    return lease_record(row)


def require_held(session: Session, token: int, now: datetime) -> None:
    """Make sure that a lease still stands, without touching it. Raises LeaseLost."""
    held = select(LEASES.c.id).where(LEASES.c.id == token, LEASES.c.released_at.is_(None), LEASES.c.expires_at > now)
    if session.scalar(held) is None:
        raise LeaseLost(token)


def leases_of_worker(session: Session, worker_id: int) -> list[LeaseRecord]:
    """List the leases that a worker holds, oldest first, those past their time too."""
    held = select(LEASES).where(LEASES.c.worker_id == worker_id, LEASES.c.released_at.is_(None)).order_by(LEASES.c.id)
    return [lease_record(row) for row in session.execute(held)]


def complete(session: Session, token: int, now: datetime) -> None:
    """End a lease whose work is done; a preflight lease too.

    A trial that is still in training under it was never reported: it goes back to wait, charged. Raises LeaseLost.
    """
    held = fence(session, token, now)
    _end(session, held.study, token, "completed", charge=Charge.ATTEMPT, reason=NOT_REPORTED, now=now)
    if held.cohort_id is not None:
        count_success(session, held.study, held.cohort_id, now)


def release(session: Session, token: int, *, charge: bool, now: datetime, reason: Reason | None = None) -> None:
    """Give a lease back; what is still in training under it goes back to wait, and a preflight is begun anew by somebody.

    `charge` uses up an attempt of each of those trials, or of the preflight: for a training process that was lost. Not for a clean
    shutdown. A study in which every trial so far was lost in this way is FAILED, and its other leases end. Raises LeaseLost.
    """
    held = fence(session, token, now)
    why = reason or (CHILD_LOST if charge else WORKER_STOPPED)
    _end(session, held.study, token, "released", charge=Charge.ATTEMPT if charge else Charge.NOTHING, reason=why, now=now)
    if charge and held.cohort_id is not None:
        study = get_study_by_id(session, held.study.id)
        if fail_if_all_are_lost(session, study, held.cohort_id, why, now):
            revoke_leases(session, study.id, now)


def lose(session: Session, token: int, now: datetime, reason: Reason = WORKER_LOST) -> None:
    """End a lease whose worker is known to be dead, whatever its time; what was in training under it is charged a loss.

    Raises LeaseLost.
    """
    held = fence(session, token, now)
    _end(session, held.study, token, "expired", charge=Charge.LOSS, reason=reason, now=now)


def reap(session: Session, now: datetime) -> int:
    """End the leases whose time is over; what was in training under them is charged a loss. Gives how many."""
    # By study id: two reapers take the studies' locks in one order.
    expired = select(LEASES.c.id, LEASES.c.study_id).where(LEASES.c.released_at.is_(None), LEASES.c.expires_at <= now)
    found = session.execute(expired.order_by(LEASES.c.study_id, LEASES.c.id)).all()
    return sum(_reap_one(session, row.id, row.study_id, now) for row in found)


def is_any_over(session: Session, now: datetime) -> bool:
    """Return whether `reap` has a lease to end: its time is over, and nobody has ended it."""
    over = select(LEASES.c.id).where(LEASES.c.released_at.is_(None), LEASES.c.expires_at <= now).limit(1)
    return session.scalar(over) is not None


def _reap_one(session: Session, token: int, study_id: int, now: datetime) -> bool:
    # A study that somebody holds now is left to the next sweep rather than waited for.
    locked = select(STUDIES).where(STUDIES.c.id == study_id).with_for_update(key_share=True, skip_locked=True)
    row = session.execute(locked).one_or_none()
    if row is None:
        return False
    # Asked again under the lock: it may have been renewed or ended meanwhile.
    over = select(LEASES.c.id).where(LEASES.c.id == token, LEASES.c.released_at.is_(None), LEASES.c.expires_at <= now)
    if session.execute(over.with_for_update()).one_or_none() is None:
        return False
    _end(session, study_record(row), token, "expired", charge=Charge.LOSS, reason=WORKER_LOST, now=now)
    return True


def _end(session: Session, study: StudyRecord, token: int, ending: str, *, charge: Charge, reason: Reason, now: datetime) -> None:
    """End a lease that is locked, its cohort with it, and send what is still in training under it back to wait."""
    ended = update(LEASES).where(LEASES.c.id == token).values(released_at=now, ending=ending)
    purpose, cohort_id = session.execute(ended.returning(LEASES.c.purpose, LEASES.c.cohort_id)).one()
    if purpose == PREFLIGHT and ending != "completed":
        charge_preflight(session, study, charge, reason, now)
    if cohort_id is not None:
        _end_cohort(session, cohort_id, now)
        left = session.scalars(
            select(TRIALS.c.number).where(TRIALS.c.cohort_id == cohort_id, TRIALS.c.state == TrialState.RUNNING.value)
        ).all()
        if left:
            requeue(session, study.id, left, charge=charge, reason=reason, now=now)
    settle(session, study, now)


def _end_cohort(session: Session, cohort_id: int, now: datetime) -> None:
    started_at = session.scalars(select(COHORTS.c.started_at).where(COHORTS.c.id == cohort_id)).one()
    seconds = (now - started_at).total_seconds()
    session.execute(
        update(COHORTS).where(COHORTS.c.id == cohort_id, COHORTS.c.ended_at.is_(None)).values(ended_at=now, seconds=seconds)
    )


def revoke_leases(session: Session, study_id: int, now: datetime) -> int:
    """End all leases of a locked study at once, whoever holds them; gives how many. Their trials are the caller's to end."""
    revoked = session.execute(
        update(LEASES)
        .where(LEASES.c.study_id == study_id, LEASES.c.released_at.is_(None))
        .values(released_at=now, ending="revoked")
        .returning(LEASES.c.cohort_id)
    ).scalars()
    tokens = list(revoked)
    for cohort_id in tokens:
        if cohort_id is not None:
            _end_cohort(session, cohort_id, now)
    return len(tokens)
