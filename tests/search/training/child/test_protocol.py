"""The messages of the pipe: what is sent arrives as it was, and what is no message is refused by name."""

from __future__ import annotations

import math

import pytest

from search.definition.schedules import AppliedSchedule
from search.training.child.protocol import (
    BadMessage,
    CohortTrained,
    GoOn,
    StepsDone,
    StudyPrepared,
    StudyRefused,
    TrainAlso,
    TrainCohort,
    UseWorkload,
    encode,
    read_answer,
    read_order,
)
from search.training.interface import EpochReport, Setting
from search.workloads.sources import SourceModule
from storage.fleet_records import Traces, WarmStudy
from storage.records import UNDEFINED, Reason, Undefined


def test_an_order_arrives_as_it_was_sent() -> None:
    schedules = {"a.error": AppliedSchedule("linear", 0.1, 0.5)}
    settings = [Setting(3, 7, {"a.error": 0.5, "b": 2.0}, True, "fixed", schedules, {"optimizer.learning_rate": 1e-3}, [3, 9])]
    for order in (TrainCohort(1, "vectorized", 8, settings, more_at=3), TrainAlso(3, settings)):
        assert read_order(encode(order)) == order


def test_numbers_of_settings_are_numbers_again() -> None:
    assert read_order(encode(GoOn(3, {6: "hopeless"}))) == GoOn(3, {6: "hopeless"})


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_undefined_number_arrives_as_one_and_others_that_are_not_finite_as_they_were(split: str) -> None:
    values = {"train": {}, "validation": {}, split: {"b.auc": [UNDEFINED, math.nan, math.inf, -math.inf]}}
    arrived = read_answer(encode(EpochReport(2, [4, 5, 6, 7], 0.5, **values)))
    assert isinstance(arrived, EpochReport)
    first, second, *rest = getattr(arrived, split)["b.auc"]
    assert first is UNDEFINED
    assert math.isnan(second)
    assert not isinstance(second, Undefined)
    assert rest == [math.inf, -math.inf]


def test_what_was_traced_arrives_as_it_was_sent() -> None:
    traces = Traces(3, 1.5, 20.25, (WarmStudy("ads", 2), WarmStudy("digits", 1)))
    for answer in (StepsDone(5, 0.5, traces), StudyPrepared(1, "serial", 1, "small", [], traces), CohortTrained(1.0, traces)):
        assert read_answer(encode(answer)) == answer


def test_a_reason_with_characters_that_no_text_may_hold_arrives() -> None:
    refused = StudyRefused(Reason("term_failed", "\ud800 \0", "a.py:3"))
    assert read_answer(encode(refused)) == refused


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"TrainForever {}", "'TrainForever' is no order on the pipe; there are UseWorkload, "),
        (encode(StudyPrepared(1, "serial", 1, "small")), "'StudyPrepared' is no order on the pipe"),
        (b"", "'' is no order on the pipe"),
        (b'TrainCohort {"study":1,"engine":"serial"', "the order TrainCohort is broken: Expecting"),
        (
            b'TrainCohort {"study":1,"engine":"serial","settings":[]}',
            "the order TrainCohort is broken: cohort_size: Field required",
        ),
        (b'GoOn {"epoch":"last","prune":{}}', "the order GoOn is broken: epoch: Input should be a valid integer"),
    ],
)
def test_what_is_no_order_is_refused_by_name(sent: bytes, text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_order(sent)
    assert str(caught.value).startswith(text)


def test_a_broken_answer_is_refused_by_name() -> None:
    with pytest.raises(BadMessage, match="the answer Ended is broken: state: Input should be"):
        read_answer(b'Ended {"number":1,"state":"DONE","epochs":2}')


def test_the_texts_of_a_workloads_modules_travel_whatever_bytes_they_hold() -> None:
    module = SourceModule("/shop/ads.py", bytes(range(256)).decode("latin-1"), package=True)
    order = UseWorkload("ads", "/shop/ads.py:Ads", {"ads": module})
    assert read_order(encode(order)) == order
