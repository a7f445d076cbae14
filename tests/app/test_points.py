"""Trials as points to draw, over HTTP."""

from __future__ import annotations

import math

import pytest

from app.points import sample
from storage import outcomes, study_rows, trial_rows
from storage.records import Role
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, on_sqlite, outcome

PATH = f"/v1/studies/{NAME}/points"


def test_few_trials_are_all_there_as_columns(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, math.nan, 0.75], baseline=0.25)
    found = bench.get(PATH)
    assert (found["trials"], found["sampled"]) == (4, False)
    columns = found["columns"]
    assert columns["number"] == [0, 1, 2, 3]
    assert columns["objective"] == [0.25, 0.5, None, 0.75]
    assert found["not_finite"]["objective"] == {"2": "nan"}
    assert columns["front"] == [False, False, False, True]
    assert columns["weights.parity.crossentropy"] == [0.25, 0.25, 1.25, 2.25]
    assert columns[f"validation.{DIGIT}"][3] == 0.75
    assert list(found["metrics"])[:2] == [DIGIT, PARITY]
    assert found["parameters"] == ["parity.crossentropy", "agreement"]


def test_the_best_so_far_is_told_by_number(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.25, 0.75])
    assert [(each["number"], each["value"]) for each in bench.get(PATH)["best_so_far"]] == [(0, 0.5), (2, 0.75)]


@on_sqlite
def test_a_sample_keeps_baselines_bests_and_the_front(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.9, *(0.1 + i / 1000 for i in range(50)), 0.95, 0.2], baseline=0.05)
    found = bench.get(PATH, most=10)
    assert (found["trials"], found["sampled"]) == (54, True)
    numbers = found["columns"]["number"]
    assert {0, 1, 52} <= set(numbers)
    assert len(numbers) == 10
    assert found["phases"] == [{"role": "baseline", "first": 0, "last": 0}, {"role": "search", "first": 1, "last": 53}]


def test_points_are_drawn_anew_when_something_happens(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    assert bench.get(PATH)["columns"]["objective"] == [0.5]
    bench.trained([0.75])
    assert bench.get(PATH)["columns"]["objective"] == [0.5, 0.75]


def test_points_are_drawn_anew_when_trials_are_scored_anew(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    assert bench.get(PATH)["columns"]["objective"] == [0.5]
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        trial = trial_rows.get_trial(session, study.id, 0)
        outcomes.rescore(session, study, {trial.id: outcome(0, 0.25)}, bench.database.now(session))
    assert bench.get(PATH)["columns"]["objective"] == [0.25]


@on_sqlite
def test_trainings_on_fresh_seeds_are_no_points_but_a_phase(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    bench.plan(2, role=Role.CONFIRMATION)
    found = bench.get(PATH)
    assert found["columns"]["number"] == [0]
    assert found["phases"][-1] == {"role": "confirmation", "first": 1, "last": 2}


@pytest.mark.parametrize(
    ("numbers", "always", "most", "kept"),
    [
        (range(3), [], 5, [0, 1, 2]),
        (range(10), [], 5, [0, 2, 4, 6, 8]),
        (range(10), [9, 3], 4, [0, 3, 5, 9]),
        (range(4), [0, 1, 2], 2, [0, 1, 2]),
        (range(4), [7], 3, [0, 1, 2]),
    ],
)
def test_a_sample_is_evenly_spaced_around_what_is_kept(numbers: range, always: list[int], most: int, kept: list[int]) -> None:
    assert sample(numbers, always, most) == kept
