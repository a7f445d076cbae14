"""Create, list and claim studies, and end them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, String, and_, bindparam, cast, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.errors import BadPageToken, StudyExists, WrongState
from storage.events import STUDY_CREATED, write_events
from storage.leases import PREFLIGHT
from storage.lifecycle import (
    OPEN,
)
from storage.models import LEASES, STUDIES, TERMS, TRIALS
from storage.outcomes import cancel_trials
from storage.records import STUDY_ENDS, Reason, StudyRecord, StudyState, TermRecord, TrialState
from storage.study_rows import (
    change_study,
    lock_study,
    reason_columns,
    set_state,
    study_record,
)
from storage.turns import in_turn

Verb = Callable[[Session, str, datetime], StudyRecord]
"""What a user does to a study by name: pause, resume, stop, cancel, retry. Again is no error, and changes nothing."""


@dataclass(frozen=True, slots=True)
class NewStudy:
    """A study to be created. `definition` is normalised and without the budget, which is `trial_budget`."""

    name: str
    definition: Mapping[str, Any]
    definition_version: int
    definition_sha256: str
    problem_sha256: str
    workload: str
    description: str | None
    labels: Mapping[str, str]
    warnings: tuple[str, ...]
    trial_budget: int
    terms: tuple[TermRecord, ...]
    priority: int = 0


def create_study(session: Session, new: NewStudy, now: datetime) -> StudyRecord:
    """Create a study, QUEUED. Raises StudyExists where the name is taken, also by somebody who creates it at the same instant."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    columns = {
        "name": new.name,
        "state": StudyState.QUEUED.value,
        "definition": dict(new.definition),
        "definition_version": new.definition_version,
        "definition_sha256": new.definition_sha256,
        "problem_sha256": new.problem_sha256,
        "workload": new.workload,
        "description": new.description,
        "labels": dict(new.labels),
        "warnings": list(new.warnings),
        "trial_budget": new.trial_budget,
        "priority": new.priority,
        "prepared": False,
        "preparations": 0,
        "sequence": 0,
        "created_at": now,
        "updated_at": now,
    }
    # Not an insert that may fail: on PostgreSQL a failed statement would end the caller's whole transaction.
    created = dialect.insert(STUDIES).values(**columns).on_conflict_do_nothing(index_elements=["name"]).returning(*STUDIES.c)
    row = session.execute(created).one_or_none()
    if row is None:
        raise StudyExists(new.name)
    if new.terms:
        session.execute(insert(TERMS), [_term_columns(row.id, place, term) for place, term in enumerate(new.terms)])
    write_events(session, row.id, [(STUDY_CREATED, {"name": new.name})], now)
    return study_record(row)


def _term_columns(study_id: int, position: int, term: TermRecord) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "position": position,
        "path": term.path,
        "kind": term.kind,
        "direction": term.direction,
        "task": term.task,
    }


def list_studies(
    session: Session,
    *,
    page_size: int,
    after: int | None = None,
    state: StudyState | None = None,
    search: str = "",
    order_by: str = "-created",
) -> tuple[list[StudyRecord], int | None]:
    """List studies, the newest first, and the id after which the next page goes on (None after the last).

    `search` is a text in the name, the workload or the labels; `order_by` one of `ORDERS`, with `-` in front for descending.
    Raises BadPageToken for an `after` that is no id of a study that is there.
    """
    key, descending = ORDERS[order_by.removeprefix("-")], order_by.startswith("-")
    listed = (
        select(STUDIES).order_by(*(column.desc() if descending else column for column in (key, STUDIES.c.id))).limit(page_size + 1)
    )
    if after is not None:
        listed = listed.where(_beyond(session, after, key, descending))
    if state is not None:
        listed = listed.where(STUDIES.c.state == state.value)
    if search:
        listed = listed.where(_has(search))
    found = [study_record(row) for row in session.execute(listed)]
    page = found[:page_size]
    return page, page[-1].id if len(found) > page_size else None


ORDERS: Mapping[str, Column[Any]] = {"created": STUDIES.c.id, "updated": STUDIES.c.updated_at, "name": STUDIES.c.name}


def _beyond(session: Session, after: int, key: Column[Any], descending: bool) -> ColumnElement[bool]:
    """Select what comes after the study `after` in an order; of the newest first it may have been deleted since."""
    if not 0 < after < 2**63:
        raise BadPageToken(str(after))
    number = STUDIES.c.id
    if key is number:
        return number < after if descending else number > after
    last = session.scalar(select(key).where(number == after))
    if last is None:
        raise BadPageToken(str(after))
    further = key < last if descending else key > last
    return or_(further, (key == last) & (number < after if descending else number > after))


def _has(text: str) -> ColumnElement[bool]:
    written = json.dumps(text)[1:-1]  # as labels are stored
    labels = cast(STUDIES.c.labels, String)
    return or_(
        *(STUDIES.c[name].icontains(text, autoescape=True) for name in ("name", "workload")),
        labels.icontains(written, autoescape=True),
    )


def lock_next_study(session: Session, workloads: Collection[str], *, skip: Collection[int] = ()) -> StudyRecord | None:
    """Lock the study that a worker with these workloads should look at next, or None.

    QUEUED (and in nobody's preflight) or RUNNING, in the order of `storage.turns`.
    One that somebody else is planning for at this moment is passed over on PostgreSQL.
    """
    row = session.execute(_next_study(workloads, skip)).one_or_none()
    if row is None:
        return None
    # On PostgreSQL the statement may have seen the leases as they were before the lock was ours: ask again.
    if row.state == StudyState.QUEUED.value and session.scalar(_preflight_of(row.id)) is not None:
        return lock_next_study(session, workloads, skip=[*skip, row.id])
    return study_record(row)


class InTurn(NamedTuple):
    """A study that is served next, how many trials it has, and whether some of them wait."""

    study: int
    definition: Mapping[str, Any]
    trials: int
    waiting: bool


def next_in_turn(session: Session, workloads: Collection[str], study_id: int, *, without: int) -> InTurn | None:
    """Read which study a worker with these workloads is served next, once its lease `without` has ended; None if none.

    It is the given study, where that can run, or one before it of which nothing runs: whether one that runs elsewhere has work to
    give is not known before it is planned.
    """
    live, own = _live_leases(func.count(), without), TRIALS.c.study_id == STUDIES.c.id
    trials = select(func.coalesce(func.max(TRIALS.c.number) + 1, 0)).where(own).scalar_subquery()
    waiting = exists().where(own & (TRIALS.c.state == TrialState.WAITING.value))
    row = session.execute(
        select(STUDIES.c.id, STUDIES.c.definition, trials, waiting)
        .where(_runnable(without), STUDIES.c.workload.in_(workloads), or_(STUDIES.c.id == study_id, live == 0))
        .order_by(*in_turn(live))
        .limit(1)
    ).one_or_none()
    return None if row is None else InTurn(*row)


def claimable(session: Session, workloads: Collection[str]) -> frozenset[Claimable]:
    """Read, without locking anything, which studies `lock_next_study` might choose from, each with what a new plan depends on.

    A plan is a function of a study's rows. As long as this is the same as before a claim that took nothing, another claim takes
    nothing either, with two exceptions: a study that was locked by somebody else then, and a retry of a study that runs.
    """
    return frozenset(Claimable(*row) for row in session.execute(_CLAIMABLE, {"workloads": list(workloads)}))


class Claimable(NamedTuple):
    """A study that may have work, and what of it changes with every outcome, state and lease."""

    study: int
    state: str
    sequence: int
    updated_at: datetime
    live_leases: int
    newest_lease: int | None


def _live_leases(aggregate: Any, without: int | None = None) -> Any:
    return select(aggregate).where(_live(STUDIES.c.id, without)).scalar_subquery()


def _live(study_id: Any, without: int | None = None) -> ColumnElement[bool]:
    """Select the live leases of a study, but for one."""
    live = and_(LEASES.c.study_id == study_id, LEASES.c.released_at.is_(None))
    return live if without is None else and_(live, LEASES.c.id != without)


def _runnable(without: int | None = None) -> ColumnElement[bool]:
    in_preflight = _preflight_of(STUDIES.c.id, without).exists()
    return or_(STUDIES.c.state == StudyState.RUNNING.value, (STUDIES.c.state == StudyState.QUEUED.value) & ~in_preflight)


def _preflight_of(study_id: Any, without: int | None = None) -> Select[int]:
    """Select the live preflight leases of a study."""
    return select(LEASES.c.id).where(_live(study_id, without), LEASES.c.purpose == PREFLIGHT)


_CLAIMABLE = select(
    STUDIES.c.id,
    STUDIES.c.state,
    STUDIES.c.sequence,
    STUDIES.c.updated_at,
    _live_leases(func.count()),
    _live_leases(func.max(LEASES.c.id)),
).where(_runnable(), STUDIES.c.workload.in_(bindparam("workloads", expanding=True)))
"""Made once: every idle worker asks several times a second, and making the statement takes longer than running it."""


def _next_study(workloads: Collection[str], skip: Collection[int]) -> Select[Any]:
    return (
        select(STUDIES)
        .where(_runnable(), STUDIES.c.workload.in_(workloads), STUDIES.c.id.not_in(skip))
        .order_by(*in_turn(_live_leases(func.count())))
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )


def prepared(
    session: Session,
    study_id: int,
    *,
    cohort_size: int,
    engine: str,
    warnings: Collection[str],
    now: datetime,
    threads: int = 1,
    why: str | None = None,
    workload_version: str | None = None,
    settled: Collection[str] = (),
) -> StudyRecord:
    """Note that a preflight has passed: QUEUED becomes RUNNING, a PAUSED study stays so, `warnings` are added, the `settled` go.

    `why` says why this engine was chosen, `threads` how many its training child has, `workload_version` which version of the
    workload it is trained with from now on. A study that was prepared before keeps all of that. Raises WrongState for one that is
    stopping or has ended.
    """
    study = lock_study(session, study_id)
    if study.state not in OPEN:
        raise WrongState(study.name, study.state, "be prepared", OPEN)
    if study.prepared:
        return study
    merged = [text for text in dict.fromkeys([*study.warnings, *warnings]) if text not in settled]
    sizes = {"cohort_size": cohort_size, "prepared_cohort_size": cohort_size}
    chosen = {**sizes, "engine": engine, "engine_why": why, "threads": threads, "workload_version": workload_version}
    changed = change_study(session, study_id, now, prepared=True, warnings=merged, started_at=now, **chosen)
    if changed.state is not StudyState.QUEUED:
        return changed
    return set_state(session, changed, StudyState.RUNNING, None, now)


def end_study(session: Session, study_id: int, state: StudyState, reason: Reason | None, now: datetime) -> StudyRecord:
    """Bring a study to an end; what waits is CANCELLED. A study that has ended already stays as it is."""
    study = lock_study(session, study_id)
    if study.state in STUDY_ENDS:
        return study
    cancel_trials(session, study, [TrialState.WAITING], reason or Reason("study_ended", "the study ended before"), now)
    return set_state(session, study, state, reason, now)


def note_waiting(session: Session, study_id: int, reason: Reason | None) -> None:
    """Say what an open study waits for, or with None that it does not wait. Writes nothing where that is known already."""
    columns = reason_columns(reason)
    known = [STUDIES.c[column].is_not_distinct_from(value) for column, value in columns.items()]
    is_open = STUDIES.c.state.in_([StudyState.QUEUED.value, StudyState.RUNNING.value])
    session.execute(update(STUDIES).where(STUDIES.c.id == study_id, is_open, ~and_(*known)).values(**columns))
