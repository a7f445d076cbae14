"""What the trials that may win measured, to be ranked anew or compared metric by metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.contenders import COMPETES, TRAINED
from storage.models import TRIAL_VALUES, TRIALS
from storage.records import Moment, Role, Split, StudyRecord, TrialRecord, Values
from storage.study_rows import TermIds
from storage.trial_rows import AT_ONCE, load_trials
from storage.types import measured_float, padded


@dataclass(frozen=True, slots=True)
class CompetingTrial:
    """A trained trial that may win, with its validation numbers by path; a path it has no number of is left out."""

    number: int
    role: Role
    rule: str | None
    values: Values = field(default_factory=dict)


def standings(session: Session, study: StudyRecord, paths: Sequence[str], moment: Moment) -> list[CompetingTrial]:
    """List the search trials and baselines that were trained to their last epoch, with what they measured of `paths` at `moment`.

    By number. One that is FAILED since the study's objective is not finite is there: it may be judged by another.
    Two statements without weights, none of them a join: a planner that knows nothing of the tables yet cannot choose a slow one.
    Raises TermNotFound for a path that the study does not measure.
    """
    terms, table = TermIds(session, study.id), TRIAL_VALUES.c
    listed = session.execute(
        select(TRIALS.c.id, TRIALS.c.number, TRIALS.c.role, TRIALS.c.rule)
        .where(TRIALS.c.study_id == study.id, TRAINED, COMPETES)
        .order_by(TRIALS.c.number)
    ).all()
    values: dict[int, dict[str, float]] = {trial_id: {} for trial_id, *_ in listed}
    rows = session.execute(
        select(table.trial_id, table.term_id, table.value, table.not_finite).where(
            table.term_id.in_([terms[path] for path in paths]),
            table.split == Split.VALIDATION.value,
            table.moment == moment.value,
        )
    )
    for trial_id, term_id, value, not_finite in rows:
        if trial_id in values:
            values[trial_id][terms.paths[term_id]] = measured_float(value, not_finite)
    return [CompetingTrial(number, Role(role), rule, values[trial_id]) for trial_id, number, role, rule in listed]


def trials_numbered(session: Session, study_id: int, numbers: Collection[int]) -> Mapping[int, TrialRecord]:
    """Get a study's trials by their numbers; those that it does not have are left out."""
    wanted = sorted(numbers)
    found = [
        trial
        for start in range(0, len(wanted), AT_ONCE)
        for trial in load_trials(
            session,
            select(TRIALS).where(TRIALS.c.study_id == study_id, TRIALS.c.number.in_(padded(wanted[start : start + AT_ONCE]))),
        )
    ]
    return {trial.number: trial for trial in found}
