"""Pages: together they are the whole, in order, with what is not a number last; tokens belong to one list."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from search.objective.order import BEST_FIRST
from storage import contenders, outcomes, paging
from storage.database import Database
from storage.errors import BadPageToken, StudyNotFound, TermNotFound
from storage.records import Measured, Moment, Role, StudyRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW

METRIC = "digit.accuracy"
names = (f"study-{number}" for number in count())
values = st.lists(st.none() | st.sampled_from([0.0, -0.0, 0.25, 0.5, 1e300, -1e-300]) | st.floats(), max_size=12)
one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def ended(session: Session, sent: Sequence[float | None], **changes: Any) -> StudyRecord:
    """End one trial with each value; None leaves the trial in training."""
    study = scenes.prepare(session, scenes.create(session, next(names), **changes))
    scenes.add(session, study, len(sent))
    lease = scenes.start(session, study)
    ends = [scenes.outcome(number, value) for number, value in enumerate(sent) if value is not None]
    outcomes.record_outcomes(session, lease.token, ends, NOW)
    return study


def all_pages(session: Session, study: StudyRecord, page_size: int, **options: Any) -> list[int]:
    found: list[int] = []
    after = None
    while True:
        page, after = paging.page_trials(session, study.id, page_size=page_size, after=after, **options)
        found += [trial.number for trial, _ in page]
        if after is None:
            return found
        assert len(page) == page_size


def in_order(sent: Sequence[float | None], descending: bool) -> list[int]:
    """Sort in plain Python: finite numbers first, then all else; ties by number."""
    finite = {number: value for number, value in enumerate(sent) if value is not None and math.isfinite(value)}
    sign = -1 if descending else 1
    return [
        *sorted(finite, key=lambda number: (sign * finite[number], number)),
        *(number for number in range(len(sent)) if number not in finite),
    ]


@one_database
@given(sent=values, page_size=st.integers(1, 5), descending=st.booleans(), order_by=st.sampled_from(["objective", METRIC]))
def test_pages_together_are_the_whole_in_order(
    database: Database, sent: list[float | None], page_size: int, descending: bool, order_by: str
) -> None:
    with database.writing() as session:
        study = ended(session, sent)
        found = all_pages(session, study, page_size, order_by=order_by, descending=descending)
    assert found == in_order(sent, descending)


@pytest.mark.parametrize("descending", [False, True])
def test_pages_by_number_are_the_whole_in_order(database: Database, descending: bool) -> None:
    with database.writing() as session:
        study = ended(session, [0.5] * 7)
        found = all_pages(session, study, 3, descending=descending)
    assert found == sorted(range(7), reverse=descending)


@pytest.mark.parametrize("order_by", ["objective", METRIC])
@pytest.mark.parametrize(("descending", "first"), [(False, [3, 1, 4]), (True, [4, 1, 3])])
def test_nan_infinities_and_missing_come_last_both_ways(
    database: Database, order_by: str, descending: bool, first: list[int]
) -> None:
    with database.writing() as session:
        study = ended(session, [math.nan, 0.5, math.inf, 0.25, 0.75, -math.inf, None])
        found = all_pages(session, study, 2, order_by=order_by, descending=descending)
    assert found == [*first, 0, 2, 5, 6]


@pytest.mark.parametrize("order_by", ["number", "objective", METRIC])
def test_pages_show_only_the_state_and_role_that_are_asked_for(database: Database, order_by: str) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 2, Role.BASELINE)
        scenes.add(session, study, 3, Role.SEARCH)
        lease = scenes.start(session, study)
        ends = [scenes.outcome(number) for number in (0, 2, 3)]
        outcomes.record_outcomes(session, lease.token, ends, NOW)
        complete = all_pages(session, study, 1, state=TrialState.COMPLETE, order_by=order_by)
        searched = all_pages(session, study, 2, role=Role.SEARCH, order_by=order_by)
        both = all_pages(session, study, 2, role=Role.SEARCH, state=TrialState.RUNNING, order_by=order_by)
    assert (complete, searched, both) == ([0, 2, 3], [2, 3, 4], [4])


@pytest.mark.parametrize(("epoch", "expected"), [("last", [0, 1]), ("best", [1, 0])])
def test_a_metric_is_that_of_the_epoch_that_counts(database: Database, epoch: str, expected: list[int]) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session, definition={"objective": {"epoch": epoch}}))
        scenes.add(session, study, 2)
        lease = scenes.start(session, study)
        for number, last, best in [(0, 0.1, 0.9), (1, 0.2, 0.8)]:
            measured = {Moment.LAST: Measured(validation={METRIC: last}), Moment.BEST: Measured(validation={METRIC: best})}
            outcomes.record_outcomes(session, lease.token, [scenes.outcome(number, measured=measured)], NOW)
        assert all_pages(session, study, 9, order_by=METRIC) == expected


def test_a_page_carries_the_trials_numbers(database: Database) -> None:
    with database.writing() as session:
        study = ended(session, [0.5, None])
        page, _ = paging.page_trials(session, study.id)
        bare, _ = paging.page_trials(session, study.id, moments=[Moment.BEST])
    assert [dict(numbers) for _, numbers in page] == [
        {Moment.LAST: Measured(train={"agreement": 0.25}, validation={METRIC: 0.5})},
        {},
    ]
    assert [dict(numbers) for _, numbers in bare] == [{}, {}]


def test_the_best_is_the_first_of_the_descending_order(database: Database) -> None:
    with database.writing() as session:
        study = ended(session, [0.5, 0.75, 0.75, math.inf])
        [(first, _)], _ = paging.page_trials(session, study.id, order_by="objective", descending=True, page_size=1)
        assert contenders.leaders(session, [study.id], BEST_FIRST) == {study.id: first}
    assert first.number == 1


def test_an_unknown_path_is_refused(database: Database) -> None:
    with database.writing() as session:
        study = ended(session, [0.5])
        with pytest.raises(TermNotFound, match=r"'digit\.nothing'"):
            paging.page_trials(session, study.id, order_by="digit.nothing")


def test_an_unknown_study_has_no_order(database: Database) -> None:
    with database.reading() as session, pytest.raises((StudyNotFound, TermNotFound)):
        paging.page_trials(session, 404, order_by=METRIC)


def packed(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


FORGED = {
    "words": "not a token",
    "unicode": "ż" * 8,
    "nul": "\x00",
    "not json": base64.urlsafe_b64encode(b"[1,").decode(),
    "not utf-8": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    "no list": packed()[:-1] + "fQ",
    "deep": base64.urlsafe_b64encode(b"[" * 1400).decode(),
    "long": packed("x" * 5000),
    "empty": packed(),
    "other study": packed(404, None, None, "number", False, None, 1),
    "other state": packed(1, "COMPLETE", None, "number", False, None, 1),
    "other order": packed(1, None, None, "objective", False, None, 1),
    "other way": packed(1, None, None, "number", True, None, 1),
    "no number": packed(1, None, None, "number", False, None, None),
    "boolean": packed(1, None, None, "number", False, None, True),
    "negative": packed(1, None, None, "number", False, None, -1),
    "huge": packed(1, None, None, "number", False, None, 2**31),
    "text": packed(1, None, None, "number", False, "0.5", 1),
    "nan": packed(1, None, None, "number", False, math.nan, 1),
}


@pytest.mark.parametrize("forged", sorted(FORGED))
def test_a_forged_or_foreign_token_is_refused(database: Database, forged: str) -> None:
    with database.writing() as session:
        study = ended(session, [0.5])
        assert study.id == 1  # as in the tokens
        with pytest.raises(BadPageToken):
            paging.page_trials(session, study.id, after=FORGED[forged])


def test_a_token_of_another_list_is_refused(database: Database) -> None:
    with database.writing() as session:
        study = ended(session, [0.5, 0.25])
        _, after = paging.page_trials(session, study.id, order_by="objective", page_size=1)
        with pytest.raises(BadPageToken):
            paging.page_trials(session, study.id, order_by=METRIC, page_size=1, after=after)


def test_an_export_goes_through_all_trials_with_their_numbers(database: Database) -> None:
    with database.writing() as session:
        study = ended(session, [0.5] * 450)
        exported = list(paging.stream_trials(session, study.id))
    assert [trial.number for trial, _ in exported] == list(range(450))
    assert {numbers[Moment.LAST].validation[METRIC] for _, numbers in exported} == {0.5}
