"""Fetch the trials that a study's answer is made of. Which of them wins is not decided here: callers name the order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from storage.models import OBJECTIVE_VALUES, STUDIES, TRIALS
from storage.records import ADAPTIVE_ORIGIN, NO_OBJECTIVE, Role, TrialRecord, TrialState, Values
from storage.trial_rows import Ordering, history_ids, in_order, load_picked, load_trials
from storage.types import measured_float

COMPETES = and_(TRIALS.c.role.in_([Role.SEARCH.value, Role.BASELINE.value]), TRIALS.c.origin != ADAPTIVE_ORIGIN)
"""Which trials may win, as `TrialRecord.competes` says: search trials, and baselines of fixed weights."""

TRAINED = or_(
    TRIALS.c.state == TrialState.COMPLETE.value,
    and_(TRIALS.c.state == TrialState.FAILED.value, TRIALS.c.reason_code == NO_OBJECTIVE),
)
"""Which trials were trained to their last epoch, as `TrialRecord.trained` says: another objective may judge them."""

COMPLETE = TRIALS.c.state == TrialState.COMPLETE.value


def leaders(session: Session, study_ids: Sequence[int], order: Ordering) -> Mapping[int, TrialRecord]:
    """Return each study's leading COMPLETE trial that may win and has a finite value, by study id, in two statements."""
    first = _first(STUDIES.c.id, order, valued=True).correlate(STUDIES).scalar_subquery()
    ids = select(first).where(STUDIES.c.id.in_(study_ids))
    return {trial.study_id: trial for trial in load_trials(session, select(TRIALS).where(TRIALS.c.id.in_(ids)))}


def _first(study_id: ColumnElement[int] | int, order: Ordering, *, valued: bool) -> Select[Any]:
    """Select the id of the first in `order`, by index: the time does not grow with the study."""
    judged = select(TRIALS.c.id).where(TRIALS.c.study_id == study_id, COMPLETE, COMPETES, TRIALS.c.feasible.is_not(None))
    return (judged.where(TRIALS.c.value.is_not(None)) if valued else judged).order_by(*in_order(order)).limit(1)


def answer_trials(
    session: Session,
    study_id: int,
    order: Ordering,
    *,
    valued: bool = True,
    fresh: bool = False,
    history: int = 0,
    numbers: Collection[int] = (),
) -> list[TrialRecord]:
    """List by number what an answer is made of: the first in `order` of the trials that may win, and the COMPLETE baselines.

    `valued`: the first is one with a finite value. `fresh`: the confirmations too, and what they confirm. `history`: so
    many of the best and of the latest search trials too. `numbers`: these too. Two statements for every 2,000 trials.
    """
    there = select(TRIALS.c.id).where(TRIALS.c.study_id == study_id)
    first = select(_first(study_id, order, valued=valued).subquery().c.id)
    roles = [Role.BASELINE.value, *([Role.CONFIRMATION.value] if fresh else [])]
    counted = or_(COMPLETE, TRIALS.c.role == Role.CONFIRMATION.value)  # a confirmation that failed counts against its trial
    taken = select(TRIALS.c.id, TRIALS.c.confirms).where(TRIALS.c.study_id == study_id, counted, TRIALS.c.role.in_(roles))
    beside = taken.cte("beside")  # read once: no index knows of roles
    picked = [first, select(beside.c.id)]
    if fresh:
        picked.append(there.where(TRIALS.c.number.in_(select(beside.c.confirms).where(beside.c.confirms.is_not(None)))))
    if numbers:
        picked.append(there.where(TRIALS.c.number.in_(numbers)))
    if history:
        picked += history_ids(study_id, order, best=history, latest=history)
    return load_picked(session, picked)


def missed_constraints(session: Session, study_id: int) -> Mapping[int, Values]:
    """Get by how much each infeasible COMPLETE trial that may win misses which constraint, by number."""
    table = OBJECTIVE_VALUES.c
    rows = session.execute(
        select(TRIALS.c.number, table.path, table.value, table.not_finite)
        .join(OBJECTIVE_VALUES, and_(table.trial_id == TRIALS.c.id, table.kind == "violation"))
        .where(TRIALS.c.study_id == study_id, COMPLETE, COMPETES, TRIALS.c.feasible.is_(False))
        .order_by(TRIALS.c.number, table.position)
    )
    found: dict[int, dict[str, float]] = {}
    for number, path, value, not_finite in rows:
        found.setdefault(number, {})[path] = measured_float(value, not_finite)
    return found
