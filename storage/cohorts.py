"""What runs now: the live leases of a study with their cohorts, and the time that its trainings took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.models import COHORTS, LEASES, TRIALS, WORKERS
from storage.records import Role, TrialState
from storage.seed_results import seconds_and_epochs, trainings


@dataclass(frozen=True, slots=True)
class CohortTrial:
    """A trial in training, and the epochs of it that are done. `trainings`: how many it is, one for each of its seeds."""

    number: int
    role: Role
    rule: str | None
    epochs: int
    why: str | None  # of the engine
    trainings: int = 1


@dataclass(frozen=True, slots=True)
class RunningCohort:
    """A live lease. `purpose` is `preflight` or `cohort`; a preflight has no trials and no engine."""

    id: int | None
    purpose: str
    worker: str
    engine: str | None
    trials: tuple[CohortTrial, ...]
    acquired_at: datetime
    expires_at: datetime
    written_at: datetime | None


def running_cohorts(session: Session, study_id: int) -> list[RunningCohort]:
    """List the live leases of a study, the oldest first."""
    rows = session.execute(
        select(LEASES, WORKERS.c.name, COHORTS.c.engine)
        .join(WORKERS, WORKERS.c.id == LEASES.c.worker_id)
        .outerjoin(COHORTS, COHORTS.c.id == LEASES.c.cohort_id)
        .where(LEASES.c.study_id == study_id, LEASES.c.released_at.is_(None))
        .order_by(LEASES.c.id)
    ).all()
    trials = _in_training(session, [row.cohort_id for row in rows if row.cohort_id is not None])
    return [
        RunningCohort(
            id=row.cohort_id,
            purpose=row.purpose,
            worker=row.name,
            engine=row.engine,
            trials=tuple(trials.get(row.cohort_id, ())),
            acquired_at=row.acquired_at,
            expires_at=row.expires_at,
            written_at=row.written_at,
        )
        for row in rows
    ]


def _in_training(session: Session, cohorts: list[int]) -> dict[int, list[CohortTrial]]:
    found: dict[int, list[CohortTrial]] = defaultdict(list)
    table = TRIALS.c
    rows = session.execute(
        select(table.cohort_id, table.number, table.role, table.rule, table.epochs, table.engine_why, trainings())
        .where(table.cohort_id.in_(cohorts), table.state == TrialState.RUNNING.value)
        .order_by(table.number)
    )
    for cohort, number, role, rule, epochs, why, count in rows:
        found[cohort].append(CohortTrial(number, Role(role), rule, epochs, why, count))
    return found


def trained_seconds(session: Session, study_id: int) -> float:
    """Return the seconds that the latest attempts of a study's trials took."""
    return float(session.scalar(select(func.coalesce(func.sum(TRIALS.c.seconds), 0.0)).where(TRIALS.c.study_id == study_id)) or 0.0)


def seconds_an_epoch(session: Session, study_id: int) -> float | None:
    """Return how long an epoch of one training of a study took on average; None before any has ended.

    Trials whose seconds are not those of their epochs are left out: see `is_paced`.
    """
    seconds, epochs = seconds_and_epochs(session, TRIALS.c.study_id == study_id)
    return seconds / epochs if epochs else None
