"""What earlier studies say about one that is not there yet."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from storage.models import STUDIES, TRIALS
from storage.seed_results import seconds_and_epochs


def seconds_an_epoch(session: Session, problem_sha256: str, workload: str) -> float | None:
    """Return how long one epoch of one training took, on average, in all studies of the same problem.

    Where there is none, in all studies of the same workload; None where that was never trained either.
    """
    same_problem = _pace(session, STUDIES.c.problem_sha256 == problem_sha256)
    return same_problem if same_problem is not None else _pace(session, STUDIES.c.workload == workload)


def _pace(session: Session, which: ColumnElement[Any]) -> float | None:
    seconds, epochs = seconds_and_epochs(session, TRIALS.c.study_id.in_(select(STUDIES.c.id).where(which)))
    return seconds / epochs if epochs else None
