"""What earlier studies tell about one that is not there yet."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.models import STUDIES, TRIALS


def seconds_an_epoch(session: Session, problem_sha256: str) -> float | None:
    """Tell how long one epoch of one trial took, on average, in all studies of the same problem; None where none was trained."""
    epochs, seconds = session.execute(
        select(func.sum(TRIALS.c.epochs), func.sum(TRIALS.c.seconds))
        .join(STUDIES, STUDIES.c.id == TRIALS.c.study_id)
        .where(STUDIES.c.problem_sha256 == problem_sha256, TRIALS.c.epochs > 0)
    ).one()
    return float(seconds) / int(epochs) if epochs else None
