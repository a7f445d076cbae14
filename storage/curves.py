"""Reading numbers back: a trial's at its moments, and its epochs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from storage.errors import StudyNotFound, TermNotFound, TrialNotFound
from storage.models import EPOCH_VALUES, EPOCH_WEIGHTS, EPOCHS, STUDIES, TERMS, TRIAL_VALUES, TRIALS
from storage.records import EpochRecord, Measured, Moment, Split
from storage.study_rows import TermIds
from storage.trial_rows import AT_ONCE, LAST_NUMBER
from storage.types import AnyRow, measured_float, padded

Curves = Mapping[int, Mapping[str, Sequence[tuple[int, float]]]]
"""(epoch, number) pairs, oldest first, by trial number, then by path."""


def measured(session: Session, trial_id: int) -> Mapping[Moment, Measured]:
    """Get a trial's numbers at each moment it has; empty before its end."""
    return measured_of(session, [trial_id])[trial_id]


def measured_of(
    session: Session, trial_ids: Sequence[int], moments: Collection[Moment] | None = None
) -> Mapping[int, Mapping[Moment, Measured]]:
    """Get the numbers of many trials of one study, at all moments or only at some."""
    paths = _paths_of_trial(session, trial_ids[0]) if trial_ids else {}
    found: dict[int, dict[str, dict[str, dict[str, float]]]] = {trial_id: {} for trial_id in trial_ids}
    for start in range(0, len(trial_ids), AT_ONCE):
        rows = _values(session, trial_ids[start : start + AT_ONCE], moments)
        for (trial_id, moment, split), group in groupby(rows, key=itemgetter(0, 1, 2)):
            numbers = {paths[term_id]: measured_float(value, not_finite) for *_, term_id, value, not_finite in group}
            found[trial_id].setdefault(moment, {})[split] = numbers
    return {
        trial_id: {Moment(moment): Measured(**splits) for moment, splits in by_moment.items()}
        for trial_id, by_moment in found.items()
    }


def _paths_of_trial(session: Session, trial_id: int) -> Mapping[int, str]:
    """Get the paths of a trial's study by term id."""
    study_id = select(TRIALS.c.study_id).where(TRIALS.c.id == trial_id).scalar_subquery()
    return dict(session.execute(select(TERMS.c.id, TERMS.c.path).where(TERMS.c.study_id == study_id)).all())


def _values(session: Session, trial_ids: Sequence[int], moments: Collection[Moment] | None) -> Iterable[AnyRow]:
    """Fetch (trial, moment, split, term, value, not_finite) in the order of the primary key, which needs no sort."""
    rows = select(TRIAL_VALUES).where(TRIAL_VALUES.c.trial_id.in_(padded(trial_ids))).order_by(*TRIAL_VALUES.primary_key)
    if moments is not None:
        rows = rows.where(TRIAL_VALUES.c.moment.in_([str(moment) for moment in moments]))
    return session.execute(rows)


def epochs_of(session: Session, trial_id: int) -> list[EpochRecord]:
    """List the epochs of a trial's latest attempt, oldest first."""
    seconds = session.execute(
        select(EPOCHS.c.epoch, EPOCHS.c.seconds)
        .join(TRIALS, and_(TRIALS.c.id == EPOCHS.c.trial_id, TRIALS.c.attempt == EPOCHS.c.attempt))
        .where(EPOCHS.c.trial_id == trial_id)
        .order_by(EPOCHS.c.epoch)
    ).all()
    table = EPOCH_VALUES.c
    rows = session.execute(
        select(table.epoch, table.split, TERMS.c.path, table.value, table.not_finite)
        .join(TRIALS, and_(TRIALS.c.id == table.trial_id, TRIALS.c.attempt == table.attempt))
        .join(TERMS, TERMS.c.id == table.term_id)
        .where(table.trial_id == trial_id)
        .order_by(table.epoch, table.split, TERMS.c.position)
    )
    numbers: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for epoch, split, path, value, not_finite in rows:
        numbers[epoch, split][path] = measured_float(value, not_finite)
    weights = _epoch_weights(session, trial_id)
    return [
        EpochRecord(epoch, numbers[epoch, Split.TRAIN], numbers[epoch, Split.VALIDATION], took, weights.get(epoch, {}))
        for epoch, took in seconds
    ]


def _epoch_weights(session: Session, trial_id: int) -> Mapping[int, Mapping[str, float]]:
    """Get the weights in force by epoch, of a trial's latest attempt; empty where they do not move."""
    table = EPOCH_WEIGHTS.c
    rows = session.execute(
        select(table.epoch, TERMS.c.path, table.value)
        .join(TRIALS, and_(TRIALS.c.id == table.trial_id, TRIALS.c.attempt == table.attempt))
        .join(TERMS, TERMS.c.id == table.term_id)
        .where(table.trial_id == trial_id)
        .order_by(table.epoch, TERMS.c.position)
    )
    weights: dict[int, dict[str, float]] = defaultdict(dict)
    for epoch, path, weight in rows:
        weights[epoch][path] = weight
    return weights


def curves(
    session: Session, study_id: int, numbers: Sequence[int], paths: Sequence[str] | None = None, split: Split = Split.VALIDATION
) -> Curves:
    """Get the epochs of several trials at once, of all terms or only of some, on one split; each trial's latest attempt.

    Raises TrialNotFound and TermNotFound for what the study has not.
    """
    possible = [number for number in numbers if 0 <= number <= LAST_NUMBER]
    picked = select(TRIALS.c.id, TRIALS.c.number).where(TRIALS.c.study_id == study_id, TRIALS.c.number.in_(possible))
    ids: dict[int, int] = dict(session.execute(picked).all())
    terms = TermIds(session, study_id)
    _require(session, study_id, set(numbers) - set(ids.values()), [path for path in paths or () if path not in terms])
    table = EPOCH_VALUES.c
    rows = (
        select(table.trial_id, table.epoch, table.term_id, table.value, table.not_finite)
        .join(TRIALS, and_(TRIALS.c.id == table.trial_id, TRIALS.c.attempt == table.attempt))
        .where(table.trial_id.in_(ids), table.split == split.value)
        .order_by(table.trial_id, table.epoch, table.term_id)
    )
    if paths is not None:
        rows = rows.where(table.term_id.in_([terms[path] for path in paths]))
    found: dict[int, dict[str, list[tuple[int, float]]]] = {number: {} for number in numbers}
    for trial_id, epoch, term_id, value, not_finite in session.execute(rows):
        points = found[ids[trial_id]].setdefault(terms.paths[term_id], [])
        points.append((epoch, measured_float(value, not_finite)))
    return found


def _require(session: Session, study_id: int, unknown_numbers: Collection[int], unknown_paths: Sequence[str]) -> None:
    if not unknown_numbers and not unknown_paths:
        return
    name = session.scalar(select(STUDIES.c.name).where(STUDIES.c.id == study_id))
    if name is None:
        raise StudyNotFound(study_id)
    if unknown_numbers:
        raise TrialNotFound(name, min(unknown_numbers))
    raise TermNotFound(name, unknown_paths[0])
