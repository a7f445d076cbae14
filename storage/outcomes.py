"""How a trial leaves its training: an outcome, an end by somebody else, or going back to wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from storage.database import insert_many
from storage.events import STUDY_CHANGED, TRIAL_STATE, reason_body, write_events
from storage.fencing import fence, running_under
from storage.models import OBJECTIVE_VALUES, STUDIES, TRIAL_VALUES, TRIALS
from storage.records import NO_OBJECTIVE, Measured, Outcome, Reason, Split, StudyRecord, StudyState, TrialState, Values
from storage.seed_results import forget_results, keep_results
from storage.study_rows import TermIds, change_study, reason_columns, set_state
from storage.types import split_float


def record_outcomes(session: Session, token: int, outcomes: Sequence[Outcome], now: datetime) -> tuple[int, ...]:
    """Write down how trials ended. Gives the numbers that were recorded.

    Only a trial that is in training under this lease can end by it: one that ended before keeps its first outcome, so the same
    outcomes again, from wherever, change nothing. Raises LeaseLost, TermNotFound.
    """
    held = fence(session, token, now)
    if held.cohort_id is None:
        return ()
    ids = {row.number: row.id for row in running_under(session, held.cohort_id, [outcome.number for outcome in outcomes])}
    ended = {ids[outcome.number]: outcome for outcome in outcomes if outcome.number in ids}
    end_trials(session, held.study, ended, now)
    if any(outcome.measured for outcome in ended.values()):
        _insert_measured(session, TermIds(session, held.study.id), ended)
    _insert_objective(session, ended)
    keep_results(session, {trial_id: outcome.by_seed for trial_id, outcome in ended.items()})
    return tuple(outcome.number for outcome in ended.values())


def end_trials(session: Session, study: StudyRecord, ended: Mapping[int, Outcome], now: datetime) -> None:
    """Bring trials (by id) to their ends, in this order of the study's sequence. The study is locked, the trials have not ended."""
    if not ended:
        return
    first = _take_sequence(session, study.id, len(ended))
    changes = [
        {"trial": trial_id, "sequence": first + place, "more_seconds": outcome.seconds, **_outcome_columns(outcome, now)}
        for place, (trial_id, outcome) in enumerate(ended.items())
    ]
    more = TRIALS.c.seconds + bindparam("more_seconds")
    session.connection().execute(update(TRIALS).where(TRIALS.c.id == bindparam("trial")).values(seconds=more), changes)
    write_events(session, study.id, [_ended_event(outcome) for outcome in ended.values()], now)


def _take_sequence(session: Session, study_id: int, count: int) -> int:
    """Take the next places among a study's outcomes; gives the first. Counted from 1."""
    taken: int = session.scalars(
        update(STUDIES).where(STUDIES.c.id == study_id).values(sequence=STUDIES.c.sequence + count).returning(STUDIES.c.sequence)
    ).one()
    return taken - count + 1


def _outcome_columns(outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "state": outcome.state.value,
        "epochs": outcome.epochs,
        "ended_at": now,
        **_score_columns(outcome),
        **reason_columns(outcome.reason),
    }


def _ended_event(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    body = {"number": outcome.number, "state": outcome.state.value, "reason": reason_body(outcome.reason)}
    return TRIAL_STATE, body


def rescore(session: Session, study: StudyRecord, scored: Mapping[int, Outcome], now: datetime) -> None:
    """Judge COMPLETE trials (by id) anew: objective, best epoch, numbers at each moment. The study is locked.

    They keep their places among the outcomes and the time of their end; one that turns out to have no objective becomes FAILED.
    An event says how many there are: numbers that readers know have changed. The study's row says so in any case.
    """
    change_study(session, study.id, now)
    if not scored:
        return
    for table in (TRIAL_VALUES, OBJECTIVE_VALUES):
        session.execute(delete(table).where(table.c.trial_id.in_(scored)))
    changes = [
        {"trial": trial_id, "state": outcome.state.value, **reason_columns(outcome.reason), **_score_columns(outcome)}
        for trial_id, outcome in scored.items()
    ]
    session.connection().execute(update(TRIALS).where(TRIALS.c.id == bindparam("trial")), changes)
    failed = [outcome for outcome in scored.values() if outcome.state is not TrialState.COMPLETE]
    write_events(session, study.id, [(STUDY_CHANGED, {"rescored": len(scored)}), *map(_ended_event, failed)], now)
    _insert_measured(session, TermIds(session, study.id), scored)
    _insert_objective(session, scored)
    keep_results(session, {trial_id: outcome.by_seed for trial_id, outcome in scored.items()})


def _score_columns(outcome: Outcome) -> dict[str, Any]:
    value, not_finite = split_float(outcome.value)
    return {"best_epoch": outcome.best_epoch, "value": value, "value_not_finite": not_finite, "feasible": outcome.feasible}


def _insert_measured(session: Session, terms: TermIds, ended: Mapping[int, Outcome]) -> None:
    insert_many(
        session,
        TRIAL_VALUES,
        ("trial_id", "moment", "split", "term_id", "value", "not_finite"),
        [
            (trial_id, str(moment), split.value, terms[path], *split_float(number))
            for trial_id, outcome in ended.items()
            for moment, measured in outcome.measured.items()
            for split, values in by_split(measured)
            for path, number in values.items()
        ],
    )


def by_split(measured: Measured) -> Iterable[tuple[Split, Values]]:
    """Go through a moment's numbers split by split."""
    return ((Split.TRAIN, measured.train), (Split.VALIDATION, measured.validation), (Split.TEST, measured.test))


def _insert_objective(session: Session, ended: Mapping[int, Outcome]) -> None:
    rows = []
    for trial_id, outcome in ended.items():
        for kind, numbers in (("value", outcome.values), ("violation", outcome.violations)):
            for position, (path, number) in enumerate(numbers.items()):
                value, not_finite = split_float(number)
                rows.append(
                    {
                        "trial_id": trial_id,
                        "kind": kind,
                        "position": position,
                        "path": path,
                        "value": value,
                        "not_finite": not_finite,
                    }
                )
    if rows:
        session.execute(insert(OBJECTIVE_VALUES), rows)


def cancel_trials(session: Session, study: StudyRecord, states: Collection[TrialState], reason: Reason, now: datetime) -> None:
    """Bring all trials of a locked study that are in one of these states to CANCELLED."""
    rows = session.execute(
        select(TRIALS.c.id, TRIALS.c.number, TRIALS.c.epochs)
        .where(TRIALS.c.study_id == study.id, TRIALS.c.state.in_([state.value for state in states]))
        .order_by(TRIALS.c.number)
    ).all()
    cancelled = {row.id: Outcome(row.number, TrialState.CANCELLED, row.epochs, reason=reason) for row in rows}
    end_trials(session, study, cancelled, now)


def reopen_failed(session: Session, study: StudyRecord, now: datetime) -> list[int]:
    """Send the FAILED trials of a locked study back to wait, with all attempts before them; gives their numbers.

    Not those without an objective: they would be trained to the same numbers.
    """
    failed = and_(TRIALS.c.state == TrialState.FAILED.value, TRIALS.c.reason_code.is_distinct_from(NO_OBJECTIVE))
    rows = session.execute(select(TRIALS.c.id, TRIALS.c.number).where(TRIALS.c.study_id == study.id, failed)).all()
    ids, numbers = [row.id for row in rows], [row.number for row in rows]
    if not ids:
        return []
    for table in (TRIAL_VALUES, OBJECTIVE_VALUES):
        session.execute(delete(table).where(table.c.trial_id.in_(ids)))
    forget_results(session, ids)
    fresh = {"state": TrialState.WAITING.value, "charged": 0, "losses": 0, "cohort_limit": None, "sequence": None, "ended_at": None}
    numbers_gone = {"epochs": 0, "seconds": 0.0, "best_epoch": None, "value": None, "value_not_finite": None, "feasible": None}
    session.execute(update(TRIALS).where(TRIALS.c.id.in_(ids)).values(**fresh, **numbers_gone, **reason_columns(None)))
    waiting = {"state": TrialState.WAITING.value, "reason": None}
    write_events(session, study.id, [(TRIAL_STATE, {"number": number, **waiting}) for number in numbers], now)
    return numbers


def has_running(session: Session, study_id: int) -> bool:
    """Return whether any trial of a study is in training."""
    running = select(TRIALS.c.id).where(TRIALS.c.study_id == study_id, TRIALS.c.state == TrialState.RUNNING.value).limit(1)
    return session.scalar(running) is not None


def settle(session: Session, study: StudyRecord, now: datetime) -> StudyRecord:
    """End a locked study that is STOPPING once nothing runs any more."""
    if study.state is not StudyState.STOPPING or has_running(session, study.id):
        return study
    return set_state(session, study, StudyState.STOPPED, study.reason, now)
