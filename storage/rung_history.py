"""Whom a search trial is compared with at a rung: search trials that had ended before, as they were at that epoch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from storage.contenders import TRAINED
from storage.models import EPOCH_VALUES, TRIALS
from storage.records import Rival, Role, Split, TrialState
from storage.study_rows import TermIds
from storage.types import measured_float

MOST_RIVALS = 1000
"""So many of the latest are compared with: the time of a rung does not grow with the study."""

ENDED_BY_TRAINING = or_(TRAINED, TRIALS.c.state.in_([TrialState.PRUNED.value, TrialState.DIVERGED.value]))
"""Ends that are for good: any other FAILED trial may be trained again."""


def search_indices(session: Session, study_id: int, numbers: Collection[int]) -> dict[int, int]:
    """Return the places (from 0) of trials among their study's search trials by number; those of other roles are left out."""
    ranked = _ranked(study_id).subquery()
    rows = session.execute(select(ranked.c.number, ranked.c.place).where(ranked.c.number.in_(numbers)))
    return {number: int(place) for number, place in rows}


def rivals(
    session: Session, study_id: int, *, epoch: int, paths: Sequence[str], until: int, most: int = MOST_RIVALS
) -> list[Rival]:
    """List the search trials that had ended by outcome `until` of the study, by number, with their validation numbers at `epoch`.

    Of them the latest `most`, each by its latest attempt; one that was not measured at that epoch is left out. What ends later
    changes nothing: whoever asks again gets the same. Raises TermNotFound for a path that the study does not measure.
    """
    terms, table = TermIds(session, study_id), EPOCH_VALUES.c
    ranked = _ranked(study_id).subquery()
    latest = (
        select(ranked)
        .where(ranked.c.sequence <= until, ranked.c.for_good)
        .order_by(ranked.c.sequence.desc())
        .limit(most)
        .subquery()
    )
    there = and_(
        table.trial_id == latest.c.id,
        table.attempt == latest.c.attempt,
        table.epoch == epoch,
        table.split == Split.VALIDATION.value,
        table.term_id.in_([terms[path] for path in paths]),
    )
    rows = session.execute(
        select(latest.c.number, latest.c.place, latest.c.planned_after, table.term_id, table.value, table.not_finite)
        .join_from(latest, EPOCH_VALUES, there)
        .order_by(latest.c.number, table.term_id)
    )
    found: dict[tuple[int, int, int], dict[str, float]] = {}
    for number, place, planned_after, term_id, value, not_finite in rows:
        found.setdefault((number, int(place), planned_after), {})[terms.paths[term_id]] = measured_float(value, not_finite)
    return [Rival(number, place, values, planned_after) for (number, place, planned_after), values in found.items()]


def _ranked(study_id: int) -> Select[Any]:
    """Select a study's search trials with their places among them."""
    place = (func.row_number().over(order_by=TRIALS.c.number) - 1).label("place")
    columns = (
        TRIALS.c.id,
        TRIALS.c.number,
        TRIALS.c.attempt,
        TRIALS.c.planned_after,
        TRIALS.c.sequence,
        ENDED_BY_TRAINING.label("for_good"),
    )
    return select(*columns, place).where(TRIALS.c.study_id == study_id, TRIALS.c.role == Role.SEARCH.value)
