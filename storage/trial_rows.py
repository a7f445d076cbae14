"""From trials rows to their records, and every way to pick trials that is not a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, func, literal, select, union, union_all
from sqlalchemy.orm import Session

from storage.ended_trials import VERSION, EndedTrials
from storage.errors import TrialNotFound
from storage.models import NOT_SEARCHED, OBJECTIVE_VALUES, PARAMETERS, STUDIES, TERMS, TRIAL_SEEDS, TRIALS, WEIGHTS
from storage.records import Reason, Role, TrialRecord, TrialState, Values
from storage.types import AnyRow, join_float, measured_float, padded

UNFINISHED = (TrialState.WAITING.value, TrialState.RUNNING.value)
LAST_NUMBER = 2**31 - 1
AT_ONCE = 2000  # ids in one IN list; four of these lists stay below what SQLite and PostgreSQL take in one statement
KINDS = ("parameter", "weight", "value", "violation")
SEED = "seed"

Ordering = Sequence[tuple[str, bool]]
"""Columns of `trials` to sort by, the first one first, each with whether it descends."""


def load_trials(session: Session, statement: Select[Any]) -> list[TrialRecord]:
    """Get the trials that a select of all columns of `trials` gives, in its order.

    Two statements for up to 2,000 trials, not four a trial.
    """
    rows = session.execute(statement).all()
    return [trial for start in range(0, len(rows), AT_ONCE) for trial in _with_numbers(session, rows[start : start + AT_ONCE])]


def load_picked(session: Session, picked: Sequence[Select[Any]], kept: EndedTrials | None = None) -> list[TrialRecord]:
    """Get by number the trials whose ids any of these selects gives.

    With `kept` only those are read that are not in it as they are now; it keeps what has ended.
    """
    ids = union(*picked).subquery()
    chosen = TRIALS.c.id.in_(select(ids.c.id))
    if kept is None:
        return load_trials(session, select(TRIALS).where(chosen).order_by(TRIALS.c.number))
    versions = session.execute(select(*VERSION).where(chosen)).all()
    found = kept.find(versions)
    missing = [version.id for version in versions if version.id not in found]
    read = [
        trial
        for start in range(0, len(missing), AT_ONCE)
        for trial in load_trials(session, select(TRIALS).where(TRIALS.c.id.in_(padded(missing[start : start + AT_ONCE]))))
    ]
    kept.keep(versions, read)
    return sorted([*found.values(), *read], key=lambda trial: trial.number)


def in_order(order: Ordering) -> list[ColumnElement[Any]]:
    """Return the columns of `trials` to sort by."""
    return [TRIALS.c[name].desc() if descending else TRIALS.c[name] for name, descending in order]


def _with_numbers(session: Session, rows: Sequence[AnyRow]) -> list[TrialRecord]:
    numbers, by_seed = _numbers(session, [row.id for row in rows])
    return [trial_record(row, {kind: numbers[kind, row.id] for kind in KINDS}, by_seed[row.id]) for row in rows]


def _numbers(
    session: Session, ids: Sequence[int]
) -> tuple[Mapping[tuple[str, int], dict[str, float]], Mapping[int, dict[int, float | None]]]:
    """Get the parameters, weights, objective values and violations of trials in one statement, each in its own order.

    And beside them the values by seed, of those that train on several.
    """
    found: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    by_seed: dict[int, dict[int, float | None]] = defaultdict(dict)
    if not ids:
        return found, by_seed
    ids = padded(ids)
    drawn, used, judged, seeds = PARAMETERS.c, WEIGHTS.c, OBJECTIVE_VALUES.c, TRIAL_SEEDS.c
    finite = cast(None, String)
    rows = session.execute(
        union_all(
            select(literal("parameter").label("kind"), drawn.trial_id, drawn.position, drawn.path, drawn.value, finite).where(
                drawn.trial_id.in_(ids)
            ),
            # A study's term ids grow with their positions.
            select(literal("weight"), used.trial_id, used.term_id, TERMS.c.path, used.value, finite)
            .join(TERMS, TERMS.c.id == used.term_id)
            .where(used.trial_id.in_(ids)),
            select(judged.kind, judged.trial_id, judged.position, judged.path, judged.value, judged.not_finite).where(
                judged.trial_id.in_(ids)
            ),
            select(literal(SEED), seeds.trial_id, seeds.position, cast(seeds.seed, String), seeds.value, seeds.not_finite).where(
                seeds.trial_id.in_(ids)
            ),
        ).order_by("trial_id", "kind", "position")
    )
    for kind, trial_id, _, path, value, not_finite in rows:
        if kind == SEED:
            by_seed[trial_id][int(path)] = join_float(value, not_finite)
        else:
            found[kind, trial_id][path] = measured_float(value, not_finite)
    return found, by_seed


def trial_record(row: AnyRow, numbers: Mapping[str, Values], by_seed: Mapping[int, float | None]) -> TrialRecord:
    """Make the record of a row with all columns of `trials`, and its numbers by kind: see `KINDS`."""
    return TrialRecord(
        id=row.id,
        study_id=row.study_id,
        number=row.number,
        role=Role(row.role),
        rule=row.rule,
        origin=row.origin,
        confirms=row.confirms,
        state=TrialState(row.state),
        seed=row.seed,
        parameters=numbers["parameter"],
        weights=numbers["weight"],
        sampler_state=row.sampler_state,
        planned_after=row.planned_after,
        planned_beside=tuple(row.planned_beside),
        attempt=row.attempt,
        charged=row.charged,
        losses=row.losses,
        cohort_limit=row.cohort_limit,
        epochs=row.epochs,
        best_epoch=row.best_epoch,
        value=join_float(row.value, row.value_not_finite),
        values=numbers.get("value", {}),
        feasible=row.feasible,
        violations=numbers.get("violation", {}),
        reason=None if row.reason_code is None else Reason(row.reason_code, row.reason_message, row.reason_at),
        worker=row.worker,
        cohort=row.cohort_id,
        engine=row.engine,
        engine_why=row.engine_why,
        sequence=row.sequence,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        workload_version=row.workload_version,
        by_seed=by_seed,
    )


def find_trial(session: Session, study_id: int, number: int) -> TrialRecord | None:
    """Look a trial up by its number."""
    if not 0 <= number <= LAST_NUMBER:
        return None
    found = load_trials(session, select(TRIALS).where(TRIALS.c.study_id == study_id, TRIALS.c.number == number))
    return found[0] if found else None


def get_trial(session: Session, study_id: int, number: int) -> TrialRecord:
    """Get a trial by its number. Raises TrialNotFound."""
    found = find_trial(session, study_id, number)
    if found is None:
        name = session.scalar(select(STUDIES.c.name).where(STUDIES.c.id == study_id))
        raise TrialNotFound(name or study_id, number)
    return found


def trials_of(
    session: Session,
    study_id: int,
    *,
    roles: Collection[Role] | None = None,
    states: Collection[TrialState] | None = None,
) -> list[TrialRecord]:
    """List a study's trials by number, all or those of some roles and states.

    Sorted here: asked for an order, SQLite goes through all trials of the study in that order, and not to the few that are wanted.
    """
    picked = select(TRIALS).where(TRIALS.c.study_id == study_id)
    if roles is not None:
        picked = picked.where(TRIALS.c.role.in_([str(role) for role in roles]))
        if Role.SEARCH not in roles:
            picked = picked.where(NOT_SEARCHED)
    if states is not None:
        picked = picked.where(TRIALS.c.state.in_([str(state) for state in states]))
    return sorted(load_trials(session, picked), key=lambda trial: trial.number)


def waiting_trials(session: Session, study_id: int) -> list[TrialRecord]:
    """List the trials that no cohort holds, by number."""
    return trials_of(session, study_id, states=[TrialState.WAITING])


def unfinished_trials(session: Session, study_id: int) -> list[TrialRecord]:
    """List the trials that wait or are in training, by number."""
    return trials_of(session, study_id, states=[TrialState.WAITING, TrialState.RUNNING])


def search_history(
    session: Session,
    study_id: int,
    order: Ordering,
    *,
    best: int = 100,
    latest: int = 400,
    kept: EndedTrials | None = None,
    others: bool = False,
) -> list[TrialRecord]:
    """List what a sampler observes, by number: the best and the latest ended search trials, and all unfinished ones.

    `best` are COMPLETE with a finite value, the first in `order`; `latest` are of any end, by `sequence`.
    Bounded, because a sampler's time grows with what it observes (SQL picks them by index: 10,000 trials cost what 500 cost).
    `kept` has those that were read before. With `others` all trials of other roles are there too.
    """
    picked = history_ids(study_id, order, best=best, latest=latest)
    if others:
        picked.append(select(TRIALS.c.id).where(TRIALS.c.study_id == study_id, NOT_SEARCHED))
    return load_picked(session, picked, kept)


def history_ids(study_id: int, order: Ordering, *, best: int, latest: int) -> list[Select[Any]]:
    """Return selects of the ids that `search_history` lists."""
    searched = select(TRIALS.c.id).where(TRIALS.c.study_id == study_id, TRIALS.c.role == Role.SEARCH.value)
    greatest = (
        searched.where(TRIALS.c.state == TrialState.COMPLETE.value, TRIALS.c.feasible.is_not(None), TRIALS.c.value.is_not(None))
        .order_by(*in_order(order))
        .limit(best)
    )
    newest = searched.where(TRIALS.c.sequence.is_not(None)).order_by(TRIALS.c.sequence.desc()).limit(latest)
    return [select(greatest.subquery().c.id), select(newest.subquery().c.id), searched.where(TRIALS.c.state.in_(UNFINISHED))]


def search_parameters(session: Session, study_id: int) -> list[Values]:
    """List the drawn parameters of all search trials but cancelled ones, in the order of their numbers."""
    rows = session.execute(
        select(TRIALS.c.number, PARAMETERS.c.path, PARAMETERS.c.value)
        .join(PARAMETERS, PARAMETERS.c.trial_id == TRIALS.c.id)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.role == Role.SEARCH.value, TRIALS.c.state != TrialState.CANCELLED.value)
        .order_by(TRIALS.c.number, PARAMETERS.c.position)
    )
    found: dict[int, dict[str, float]] = {}
    for number, path, value in rows:
        found.setdefault(number, {})[path] = value
    return list(found.values())


def count_by_role(session: Session, study_id: int) -> Mapping[tuple[Role, TrialState], int]:
    """Count a study's trials by role and state; pairs that do not occur are left out."""
    trials, role, state = TRIALS.c.study_id == study_id, TRIALS.c.role, TRIALS.c.state
    # Of all by state, of the few others by role too: each from an index alone. One statement, so that both see the same moment.
    every = select(cast(None, String).label("role"), state, func.count()).where(trials).group_by(state)
    others = select(role, state, func.count()).where(trials, NOT_SEARCHED).group_by(role, state)
    rows = session.execute(union_all(every, others)).all()
    found = {(Role(role), TrialState(state)): count for role, state, count in rows if role is not None}
    for _, name, count in (row for row in rows if row.role is None):
        searched = count - sum(others for (_, state), others in found.items() if state == name)
        if searched:
            found[Role.SEARCH, TrialState(name)] = searched
    return found
