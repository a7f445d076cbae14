"""Trials page by page, in the order of their number, their objective or any metric.

A page goes on where the last one ended (keyset), by index. Trials whose number in that order is NaN, infinite or missing come last
whichever way it is sorted: they are a second list, by trial number, behind the first.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, Select, and_, cast, exists, or_, select
from sqlalchemy.orm import Session

from storage.curves import measured_of
from storage.errors import BadPageToken
from storage.models import TRIAL_VALUES, TRIALS
from storage.records import Measured, Moment, Role, Split, TrialRecord, TrialState
from storage.study_rows import TermIds, counted_moment, get_study_by_id
from storage.trial_rows import LAST_NUMBER, load_trials

BY_NUMBER = "number"
BY_OBJECTIVE = "objective"
CHUNK = 200  # trials loaded at once by an export
LONGEST_TOKEN = 2000

MeasuredTrial = tuple[TrialRecord, Mapping[Moment, Measured]]
Picked = Select[int, int, float]
"""Ids, numbers and what is sorted by."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a list shows and in which order; two pages of one list have the same."""

    study_id: int
    state: TrialState | None
    role: Role | None
    by: str
    descending: bool

    @property
    def key(self) -> list[Any]:
        return [self.study_id, self.state, self.role, self.by, self.descending]


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Where a page ended: the last trial's value (None among those that come last) and number."""

    value: float | None
    number: int


def page_trials(
    session: Session,
    study_id: int,
    *,
    state: TrialState | None = None,
    role: Role | None = None,
    order_by: str = BY_NUMBER,
    descending: bool = False,
    page_size: int = 100,
    after: str | None = None,
    moments: Collection[Moment] | None = None,
) -> tuple[list[MeasuredTrial], str | None]:
    """Get one page of a study's trials with their numbers, and the token of the next page (None after the last).

    `order_by` is `number`, `objective` or a path: then the validation value at the moment that counts for the study. Ties go by
    number. `moments` restricts which numbers are loaded (all, by default).
    Raises TermNotFound for an unknown path, BadPageToken for a token of another list, StudyNotFound.
    """
    order = Order(study_id, state, role, order_by, descending)
    place = None if not after else _place(order, after)
    picked = _pick(session, order, place, page_size + 1)
    page = picked[:page_size]
    ids = [id_ for id_, _ in page]
    trials = {trial.id: trial for trial in load_trials(session, select(TRIALS).where(TRIALS.c.id.in_(ids)))}
    numbers = measured_of(session, ids, moments)
    following = _token(order, page[-1][1]) if len(picked) > page_size else None
    return [(trials[id_], numbers[id_]) for id_ in ids], following


def stream_trials(session: Session, study_id: int) -> Iterator[MeasuredTrial]:
    """Go through all trials of a study by number, with their numbers, a few hundred in memory at a time."""
    last = -1
    while True:
        following = (
            select(TRIALS).where(TRIALS.c.study_id == study_id, TRIALS.c.number > last).order_by(TRIALS.c.number).limit(CHUNK)
        )
        trials = load_trials(session, following)
        if not trials:
            return
        numbers = measured_of(session, [trial.id for trial in trials])
        yield from ((trial, numbers[trial.id]) for trial in trials)
        last = trials[-1].number


def _pick(session: Session, order: Order, place: PageCursor | None, count: int) -> list[tuple[int, PageCursor]]:
    """Pick the ids of the next trials, each with its place."""
    if order.by == BY_NUMBER:
        return _fetch(session, _by_number(order, place).limit(count))
    finite, others = _by_objective(order) if order.by == BY_OBJECTIVE else _by_metric(session, order)
    picked: list[tuple[int, PageCursor]] = []
    if place is None or place.value is not None:
        picked = _fetch(session, _sorted(finite, order, place).limit(count))
        place = None
    if len(picked) < count:
        rest = others if place is None else others.where(TRIALS.c.number > place.number)
        picked += _fetch(session, rest.order_by(TRIALS.c.number).limit(count - len(picked)))
    return picked


def _fetch(session: Session, statement: Picked) -> list[tuple[int, PageCursor]]:
    return [(id_, PageCursor(value, number)) for id_, number, value in session.execute(statement)]


def _listed(order: Order, value: ColumnElement[Any]) -> Picked:
    """Select the trials of a list, whatever their order."""
    listed = select(TRIALS.c.id, TRIALS.c.number, value.label("sorted_by")).where(TRIALS.c.study_id == order.study_id)
    if order.state is not None:
        listed = listed.where(TRIALS.c.state == str(order.state))
    if order.role is not None:
        listed = listed.where(TRIALS.c.role == str(order.role))
    return listed


def _missing() -> ColumnElement[Any]:
    return cast(None, Double)


def _by_number(order: Order, place: PageCursor | None) -> Picked:
    number = TRIALS.c.number
    listed = _listed(order, _missing()).order_by(number.desc() if order.descending else number)
    if place is None:
        return listed
    return listed.where(number < place.number if order.descending else number > place.number)


def _by_objective(order: Order) -> tuple[Picked, Picked]:
    value = TRIALS.c.value
    return _listed(order, value).where(value.is_not(None)), _listed(order, _missing()).where(value.is_(None))


def _by_metric(session: Session, order: Order) -> tuple[Picked, Picked]:
    table = TRIAL_VALUES.c
    measured_there = and_(
        table.term_id == TermIds(session, order.study_id)[order.by],
        table.split == Split.VALIDATION.value,
        table.moment == counted_moment(get_study_by_id(session, order.study_id)).value,
        table.value.is_not(None),
    )
    value: ColumnElement[Any] = table.value
    finite = _listed(order, value).join(TRIAL_VALUES, table.trial_id == TRIALS.c.id).where(measured_there)
    others = _listed(order, _missing()).where(~exists().where(table.trial_id == TRIALS.c.id, measured_there))
    return finite, others


def _sorted(finite: Picked, order: Order, place: PageCursor | None) -> Picked:
    value: ColumnElement[Any] = finite.selected_columns["sorted_by"].element
    number = TRIALS.c.number
    finite = finite.order_by(value.desc() if order.descending else value, number)
    if place is None:
        return finite
    # The first comparison alone is what an index can start from.
    if order.descending:
        return finite.where(value <= place.value, or_(value < place.value, number > place.number))
    return finite.where(value >= place.value, or_(value > place.value, number > place.number))


def _token(order: Order, place: PageCursor) -> str:
    content = json.dumps([*order.key, place.value, place.number], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _place(order: Order, token: str) -> PageCursor:
    """Read a token back. It is not secret and not signed: a forged one gives another place in the same list, no more."""
    try:
        if len(token) > LONGEST_TOKEN:
            raise BadPageToken(token)
        content = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise BadPageToken(token) from None
    if not isinstance(content, list) or content[:-2] != order.key:
        raise BadPageToken(token)
    value, number = content[-2:]
    if type(number) is not int or not 0 <= number <= LAST_NUMBER or not (value is None or _finite(value)):
        raise BadPageToken(token)
    return PageCursor(value, number)


def _finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)
