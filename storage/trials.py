"""Add planned trials to a study, and start them as a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from storage.database import insert_many
from storage.errors import LeaseLost, TrialsTaken
from storage.events import TRIAL_STATE, write_events
from storage.models import COHORTS, LEASES, PARAMETERS, TRIALS, WEIGHTS
from storage.records import LeaseRecord, PlannedTrial, StudyRecord, TrialRecord, TrialState
from storage.seed_results import add_seeds
from storage.study_rows import TermIds, reason_columns
from storage.trial_rows import trial_record
from storage.types import AnyRow


def add_trials(
    session: Session, study: StudyRecord, planned: Sequence[PlannedTrial], *, beside: Sequence[int], now: datetime
) -> list[TrialRecord]:
    """Add planned trials, WAITING, with the study's next numbers in this order. The study is locked.

    `beside` are the numbers that ran when they were planned; a trial that was drawn before says so itself. Raises TermNotFound for
    a weight of no term.
    """
    if not planned:
        return []
    last = session.scalar(select(func.max(TRIALS.c.number)).where(TRIALS.c.study_id == study.id))
    first = 0 if last is None else last + 1
    rows = [_trial_columns(study, trial, first + place, beside, now) for place, trial in enumerate(planned)]
    # In parameter order, so that ids grow with numbers: pages in the order of a metric break ties by id.
    added = session.execute(insert(TRIALS).returning(*TRIALS.c, sort_by_parameter_order=True), rows).all()
    by_id = {row.id: trial for row, trial in zip(added, planned, strict=True)}
    terms = TermIds(session, study.id)
    _insert_settings(session, terms, by_id)
    add_seeds(session, by_id)
    return [_added(row, trial, terms) for row, trial in zip(added, planned, strict=True)]


def _added(row: AnyRow, trial: PlannedTrial, terms: TermIds) -> TrialRecord:
    """Make the record of a trial as it would be read again."""
    weights = {path: float(trial.weights[path]) for path in sorted(trial.weights, key=terms.__getitem__)}
    parameters = {path: float(value) for path, value in trial.parameters.items()}
    return trial_record(row, {"parameter": parameters, "weight": weights}, dict.fromkeys(trial.seeds))


def _trial_columns(study: StudyRecord, trial: PlannedTrial, number: int, beside: Sequence[int], now: datetime) -> dict[str, Any]:
    return {
        "study_id": study.id,
        "number": number,
        "role": trial.role.value,
        "rule": trial.rule,
        "origin": trial.origin,
        "confirms": trial.confirms,
        "state": TrialState.WAITING.value,
        "seed": trial.seed,
        "sampler_state": dict(trial.sampler_state),
        "planned_after": study.sequence if trial.planned_after is None else trial.planned_after,
        "planned_beside": list(beside if trial.planned_beside is None else trial.planned_beside),
        "attempt": 0,
        "charged": 0,
        "epochs": 0,
        "seconds": 0.0,
        "created_at": now,
    }


def _insert_settings(session: Session, terms: TermIds, planned: dict[int, PlannedTrial]) -> None:
    insert_many(
        session,
        PARAMETERS,
        ("trial_id", "position", "path", "value"),
        [
            (trial_id, position, path, float(value))
            for trial_id, trial in planned.items()
            for position, (path, value) in enumerate(trial.parameters.items())
        ],
    )
    insert_many(
        session,
        WEIGHTS,
        ("trial_id", "term_id", "value"),
        [(trial_id, terms[path], float(value)) for trial_id, trial in planned.items() for path, value in trial.weights.items()],
    )


def start_cohort(
    session: Session,
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    lease: LeaseRecord,
    *,
    engine: str,
    worker: str,
    now: datetime,
) -> int:
    """Put WAITING trials into training under a lease, each with one attempt more; gives the cohort's id. The study is locked.

    `worker` is the worker's name. Raises TrialsTaken when one of them does not wait any more, LeaseLost.
    """
    columns = {"study_id": study.id, "worker": worker, "engine": engine, "size": len(trials), "started_at": now}
    cohort_id: int = session.scalars(insert(COHORTS).values(**columns).returning(COHORTS.c.id)).one()
    attached = session.scalar(
        update(LEASES)
        .where(LEASES.c.id == lease.token, LEASES.c.released_at.is_(None))
        .values(cohort_id=cohort_id, written_at=now)
        .returning(LEASES.c.id)
    )
    if attached is None:
        raise LeaseLost(lease.token)
    _start(session, study, trials, cohort_id, engine=engine, worker=worker, now=now)
    return cohort_id


def join_cohort(session: Session, study: StudyRecord, trials: Sequence[TrialRecord], cohort_id: int, now: datetime) -> None:
    """Put WAITING trials into training in a cohort under way, by its lease. The study is locked, and so is the lease.

    The cohort's `size` is how many train at a time: they do so apart from those before them. Raises TrialsTaken.
    """
    own = COHORTS.c.id == cohort_id
    engine, worker, size = session.execute(select(COHORTS.c.engine, COHORTS.c.worker, COHORTS.c.size).where(own)).one()
    session.execute(update(COHORTS).where(own).values(size=max(size, len(trials))))
    _start(session, study, trials, cohort_id, engine=engine, worker=worker, now=now)


def _start(
    session: Session,
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    cohort_id: int,
    *,
    engine: str,
    worker: str,
    now: datetime,
) -> None:
    started = session.scalars(
        update(TRIALS)
        .where(TRIALS.c.id.in_([trial.id for trial in trials]), TRIALS.c.state == TrialState.WAITING.value)
        .values(state=TrialState.RUNNING.value, attempt=TRIALS.c.attempt + 1, epochs=0, seconds=0.0, started_at=now)
        .values(cohort_id=cohort_id, engine=engine, engine_why=study.engine_why, worker=worker, **reason_columns(None))
        .values(workload_version=study.workload_version)
        .returning(TRIALS.c.number)
    ).all()
    if len(started) < len(trials):
        raise TrialsTaken(study.name, sorted({trial.number for trial in trials} - set(started)))
    write_events(session, study.id, [_started_event(trial) for trial in trials], now)


def _started_event(trial: TrialRecord) -> tuple[str, dict[str, Any]]:
    return TRIAL_STATE, {"number": trial.number, "state": TrialState.RUNNING.value, "attempt": trial.attempt + 1}
