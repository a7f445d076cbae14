"""What a worker reports while it trains, written down epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.database import insert_many
from storage.errors import LeaseLost
from storage.fencing import fence, running_under
from storage.models import EPOCH_VALUES, EPOCH_WEIGHTS, EPOCHS, TRIALS
from storage.records import Split, Values
from storage.study_rows import TermIds
from storage.types import AnyRow, split_float


class EpochWrite(NamedTuple):
    """One trial's numbers after one epoch; epoch 0 is before training. `seconds` is its share of its cohort's time.

    `weights` are those in force at the end of the epoch, of a trial whose weights move; only finite ones are stored.
    """

    epoch: int
    train: Values
    validation: Values
    seconds: float
    weights: Values = MappingProxyType({})


def record_epoch(
    session: Session,
    token: int,
    cohort_id: int,
    reports: Mapping[int, EpochWrite | tuple[int, Values, Values, float]],
    now: datetime,
) -> frozenset[int]:
    """Write one epoch of a cohort's trials down: number -> (epoch, train, validation, seconds[, weights]).

    Gives the numbers that are not in training under this lease any more (cancelled, say): nothing of theirs is written, and the
    worker may drop them. The same epoch again changes nothing, so a write with an unknown end can simply be repeated.
    Raises LeaseLost, and TermNotFound for a path the study does not measure.
    """
    held = fence(session, token, now)
    if held.cohort_id != cohort_id:
        raise LeaseLost(token)
    running = {row.number: row for row in running_under(session, cohort_id, reports)}
    wanted = {row.id: (row, EpochWrite(*reports[number])) for number, row in running.items()}
    fresh = _insert_epochs(session, wanted)
    _insert_epoch_values(session, held.study.id, {trial_id: wanted[trial_id] for trial_id in fresh})
    _insert_epoch_weights(session, held.study.id, {trial_id: wanted[trial_id] for trial_id in fresh})
    _advance(session, {trial_id: wanted[trial_id][1] for trial_id in fresh})
    return frozenset(reports) - frozenset(running)


def _insert_epochs(session: Session, wanted: Mapping[int, tuple[AnyRow, EpochWrite]]) -> Sequence[int]:
    """Insert the epochs that are not there yet; gives the ids of their trials."""
    if not wanted:
        return []
    rows = [
        {"trial_id": trial_id, "attempt": row.attempt, "epoch": report.epoch, "seconds": report.seconds}
        for trial_id, (row, report) in wanted.items()
    ]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(EPOCHS).on_conflict_do_nothing().returning(EPOCHS.c.trial_id)
    return list(session.scalars(new, rows))


def _insert_epoch_values(session: Session, study_id: int, reports: Mapping[int, tuple[AnyRow, EpochWrite]]) -> None:
    if not reports:
        return
    terms = TermIds(session, study_id)
    insert_many(
        session,
        EPOCH_VALUES,
        ("trial_id", "attempt", "epoch", "split", "term_id", "value", "not_finite"),
        [
            (trial_id, row.attempt, report.epoch, split.value, terms[path], *split_float(number))
            for trial_id, (row, report) in reports.items()
            for split, values in ((Split.TRAIN, report.train), (Split.VALIDATION, report.validation))
            for path, number in values.items()
        ],
    )


def _insert_epoch_weights(session: Session, study_id: int, reports: Mapping[int, tuple[AnyRow, EpochWrite]]) -> None:
    moved = {trial_id: (row, report) for trial_id, (row, report) in reports.items() if report.weights}
    if not moved:
        return
    terms = TermIds(session, study_id)
    rows = [
        (trial_id, row.attempt, report.epoch, terms[path], weight)
        for trial_id, (row, report) in moved.items()
        for path, weight in report.weights.items()
        if math.isfinite(weight)
    ]
    if rows:
        insert_many(session, EPOCH_WEIGHTS, ("trial_id", "attempt", "epoch", "term_id", "value"), rows)


def _advance(session: Session, reports: Mapping[int, EpochWrite]) -> None:
    """Move the trials' own counters on; a cohort's trials mostly share the epoch and the seconds, so one update does."""
    alike: dict[tuple[int, float], list[int]] = {}
    for trial_id, report in reports.items():
        alike.setdefault((report.epoch, report.seconds), []).append(trial_id)
    for (epoch, seconds), trial_ids in alike.items():
        session.execute(update(TRIALS).where(TRIALS.c.id.in_(trial_ids)).values(epochs=epoch, seconds=TRIALS.c.seconds + seconds))
