"""What the trials that may win measured, to be ranked anew or compared metric by metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from storage.contenders import COMPETES, TRAINED
from storage.models import TRIAL_VALUES, TRIALS
from storage.records import Moment, Role, Split, StudyRecord, TrialRecord, Values
from storage.study_rows import TermIds
from storage.trial_rows import AT_ONCE, load_trials
from storage.types import measured_float


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
    One statement of as many rows as there are numbers, without weights: 10,000 trials of four metrics take a fraction of a second.
    Raises TermNotFound for a path that the study does not measure.
    """
    terms, table = TermIds(session, study.id), TRIAL_VALUES.c
    there = and_(
        table.trial_id == TRIALS.c.id,
        table.moment == moment.value,
        table.split == Split.VALIDATION.value,
        table.term_id.in_([terms[path] for path in paths]),
    )
    rows = session.execute(
        select(TRIALS.c.number, TRIALS.c.role, TRIALS.c.rule, table.term_id, table.value, table.not_finite)
        .outerjoin_from(TRIALS, TRIAL_VALUES, there)
        .where(TRIALS.c.study_id == study.id, TRAINED, COMPETES)
        .order_by(TRIALS.c.number, table.term_id)
    )
    found: dict[int, tuple[Role, str | None, dict[str, float]]] = {}
    for number, role, rule, term_id, value, not_finite in rows:
        _, _, values = found.setdefault(number, (Role(role), rule, {}))
        if term_id is not None:
            values[terms.paths[term_id]] = measured_float(value, not_finite)
    return [CompetingTrial(number, *each) for number, each in found.items()]


def trials_numbered(session: Session, study_id: int, numbers: Collection[int]) -> Mapping[int, TrialRecord]:
    """Get a study's trials by their numbers; those that it does not have are left out."""
    wanted = sorted(numbers)
    found = [
        trial
        for start in range(0, len(wanted), AT_ONCE)
        for trial in load_trials(
            session,
            select(TRIALS).where(TRIALS.c.study_id == study_id, TRIALS.c.number.in_(wanted[start : start + AT_ONCE])),
        )
    ]
    return {trial.number: trial for trial in found}
