"""What trials gave under each of their seeds, of those that train on several; any other trial has no row here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Subquery, bindparam, func, select, update
from sqlalchemy.orm import Session

from storage.database import insert_many
from storage.models import TRIAL_SEEDS, TRIALS
from storage.records import PlannedTrial, SeedResult, TrialState
from storage.types import join_float, split_float


def add_seeds(session: Session, planned: Mapping[int, PlannedTrial]) -> None:
    """Keep the seeds of new trials (by id) that train on several."""
    rows = [(trial_id, place, seed) for trial_id, trial in planned.items() for place, seed in enumerate(trial.seeds)]
    if rows:
        insert_many(session, TRIAL_SEEDS, ("trial_id", "position", "seed"), rows)


def keep_results(session: Session, found: Mapping[int, Mapping[int, SeedResult]]) -> None:
    """Write down what trials (by id) gave under each of their seeds."""
    changes = []
    for trial_id, by_seed in found.items():
        for seed, result in by_seed.items():
            value, not_finite = split_float(result.value)
            measured = {str(epoch): dict(values) for epoch, values in result.measured.items()}
            changes.append({"trial": trial_id, "on": seed, "value": value, "not_finite": not_finite, "measured": measured})
    if changes:
        own = (TRIAL_SEEDS.c.trial_id == bindparam("trial")) & (TRIAL_SEEDS.c.seed == bindparam("on"))
        session.connection().execute(update(TRIAL_SEEDS).where(own), changes)


def forget_results(session: Session, trial_ids: Iterable[int]) -> None:
    """Forget what trials gave under their seeds: they are trained anew. The seeds stay."""
    nothing = {"value": None, "not_finite": None, "measured": None}
    session.execute(update(TRIAL_SEEDS).where(TRIAL_SEEDS.c.trial_id.in_(list(trial_ids))).values(**nothing))


def results_of(session: Session, trial_ids: Sequence[int]) -> Mapping[int, Mapping[int, SeedResult]]:
    """Get what trials gave under each of their seeds, in the order of the seeds; nothing where it is not known (yet)."""
    table = TRIAL_SEEDS.c
    rows = session.execute(
        select(table.trial_id, table.seed, table.value, table.not_finite, table.measured)
        .where(table.trial_id.in_(trial_ids), table.measured.is_not(None))
        .order_by(table.trial_id, table.position)
    )
    found: dict[int, dict[int, SeedResult]] = defaultdict(dict)
    for trial_id, seed, value, not_finite, measured in rows:
        by_epoch = {int(epoch): values for epoch, values in measured.items()}
        found[trial_id][seed] = SeedResult(join_float(value, not_finite), by_epoch)
    return found


def trainings() -> ColumnElement[Any]:
    """Select how many trainings a row of `trials` stands for: one for each of its seeds."""
    own = select(func.count()).select_from(TRIAL_SEEDS).where(TRIAL_SEEDS.c.trial_id == TRIALS.c.id)
    return func.coalesce(func.nullif(own.correlate(TRIALS).scalar_subquery(), 0), 1)


def several_trainings(which: ColumnElement[bool]) -> Subquery:
    """Select `trial_id` and how many `trainings` it stands for, of those trials of `which` that train on several seeds.

    Joined to many rows of `trials` it costs next to nothing where there is none; `trainings` looks for each of them.
    """
    rows = select(TRIAL_SEEDS.c.trial_id, func.count().label("trainings"))
    return rows.join(TRIALS, TRIALS.c.id == TRIAL_SEEDS.c.trial_id).where(which).group_by(TRIAL_SEEDS.c.trial_id).subquery()


def seconds_and_epochs(session: Session, which: ColumnElement[bool]) -> tuple[float, int]:
    """Return the seconds and the epochs of the trainings of `which` trials whose seconds are those of their epochs."""
    several = several_trainings(which)
    each = func.coalesce(several.c.trainings, 1)
    seconds, epochs = session.execute(
        select(func.sum(TRIALS.c.seconds), func.sum(TRIALS.c.epochs * each))
        .select_from(TRIALS.outerjoin(several, several.c.trial_id == TRIALS.c.id))
        .where(which, TRIALS.c.epochs > 0, is_paced(each))
    ).one()
    return float(seconds or 0.0), int(epochs or 0)


def is_paced(each: ColumnElement[int]) -> ColumnElement[bool]:
    """Select rows of `trials` whose seconds are those of their epochs. `each`: how many trainings a row stands for.

    One on several seeds that ended early trained longer on some of them than its epochs say.
    """
    return (each == 1) | TRIALS.c.state.in_([TrialState.COMPLETE.value, TrialState.RUNNING.value])
