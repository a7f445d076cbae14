"""What runs now: the live leases of a study with their cohorts, and the time that its trainings took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.models import COHORTS, LEASES, TRIALS, WORKERS
from storage.records import Role, TrialState


@dataclass(frozen=True, slots=True)
class CohortTrial:
    """A trial in training, and the epochs of it that are done."""

    number: int
    role: Role
    rule: str | None
    epochs: int
    why: str | None  # of the engine


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
        select(table.cohort_id, table.number, table.role, table.rule, table.epochs, table.engine_why)
        .where(table.cohort_id.in_(cohorts), table.state == TrialState.RUNNING.value)
        .order_by(table.number)
    )
    for cohort, number, role, rule, epochs, why in rows:
        found[cohort].append(CohortTrial(number, Role(role), rule, epochs, why))
    return found


def trained(session: Session, study_id: int) -> tuple[int, float]:
    """Return the epochs that were trained of a study's trials, and the seconds they took, in their latest attempts."""
    sums = select(func.coalesce(func.sum(TRIALS.c.epochs), 0), func.coalesce(func.sum(TRIALS.c.seconds), 0.0))
    epochs, seconds = session.execute(sums.where(TRIALS.c.study_id == study_id)).one()
    return int(epochs), float(seconds)
