"""The range of a parameter in the units of used weights, and its sentence."""

from __future__ import annotations

from typing import Any

import pytest

from search.analysis import ranges as module
from search.analysis.profiles import Finding, Profile
from search.analysis.ranges import Range, ranges, ranges_document
from search.definition.schema import StudyDefinition
from search.sampling.beliefs import beliefs
from storage.records import TrialRecord
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

GOOD, WORSE, OPEN = Finding.AS_GOOD, Finding.WORSE, Finding.TOO_FEW
DELTA = 0.5


def profiled(
    monkeypatch: pytest.MonkeyPatch, values: list[float], answers: list[Finding], winner: int, beside: bool = False
) -> None:
    """Have every parameter's profile be this one."""
    level = tuple(0.0 for _ in values)
    found = Profile(tuple(values), tuple(answers), level, level, level, level, winner, winner if beside else None)
    monkeypatch.setattr(module, "profile", lambda *arguments: found)


def range_of(definition: StudyDefinition, drawn: dict[str, Any], path: str, divisors: dict[str, float], trials: int = 16) -> Range:
    searched: list[TrialRecord] = [trial(i, drawn, value=float(i % 3)) for i in range(trials)]
    believed = beliefs(definition, searched)
    assert believed is not None
    return ranges(believed, searched[0], DELTA, divisors)[path]


VALUES = [0.01, 0.1, 1.0, 10.0, 100.0]
ONE = {"t0.error": 1.0}


def test_a_range_has_three_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [0.01, 0.1, 0.5, 1.0, 2.0, 100.0], [WORSE, OPEN, GOOD, GOOD, OPEN, WORSE], 3)
    found = range_of(define(study(log_range())), ONE, "t0.error", {})
    assert (found.low, found.high, found.best, found.searched) == (0.5, 1.0, 1.0, (0.01, 100.0))
    assert (found.worse, found.untold) == (((0.01, 0.01), (100.0, 100.0)), ((0.1, 0.1), (2.0, 2.0)))
    assert (found.to_lowest, found.to_highest, found.edge) == (False, False, None)
    assert found.sentence == (
        "any t0.error from 0.5 to 1 costs at most 0.5 in the objective against the winner, 95 % sure; "
        "below 0.01 and above 100 it is worse; "
        "between, there are not enough trials to tell"
    )


@pytest.mark.parametrize(
    ("error", "kept"), [(0.5, "keeps the constraints, 95"), (2.0, "keeps the constraints as well as it does, 95")]
)
def test_beside_a_winner_that_breaks_a_constraint_a_range_keeps_it_as_well(
    monkeypatch: pytest.MonkeyPatch, error: float, kept: str
) -> None:
    document = study(log_range())
    document["objective"]["metrics"].append({"metric": "t0.error", "strategy": "constraint", "at_most": 1.0})
    profiled(monkeypatch, VALUES, [GOOD] * 5, 2)
    measured = {"t0.mse": 0.0, "t0.error": error}
    searched = [trial(i, {"t0.error": at}, value=-float(i), values=measured) for i, at in enumerate(VALUES * 3)]
    believed = beliefs(define(document), searched)
    assert believed is not None
    assert kept in ranges(believed, searched[2], DELTA, {})["t0.error"].sentence


def test_after_twelve_trials_it_is_said_that_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, VALUES, [GOOD] * 5, 2)
    found = range_of(define(study(log_range())), ONE, "t0.error", {}, trials=12)
    assert found.sentence == (
        "any t0.error from 0.01 to 100 costs at most 0.5 in the objective against the winner, 95 % sure; "
        "12 trials do not show how far the winner is from the best"
    )
    assert (found.to_lowest, found.to_highest) == (True, True)


def test_a_winner_alone_is_said_to_be_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, VALUES, [OPEN, OPEN, GOOD, OPEN, OPEN], 2)
    found = range_of(define(study(log_range())), ONE, "t0.error", {})
    assert found.sentence == (
        "no t0.error beside the winner's 1 is known to be as good; elsewhere, there are not enough trials to tell"
    )


def test_normalised_weights_are_reported_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, VALUES, [WORSE, GOOD, GOOD, GOOD, WORSE], 2)
    definition = define(study(log_range(), 1.0, normalize="initial_loss"))
    found = range_of(definition, ONE, "t0.error", {"t0.error": 10.0, "t1.error": 2.0})
    assert (found.low, found.high, found.best, found.searched) == (
        pytest.approx(0.01),
        pytest.approx(1.0),
        pytest.approx(0.1),
        pytest.approx((0.001, 10.0)),
    )
    assert [point.at for point in found.curve] == pytest.approx([0.001, 0.01, 0.1, 1.0, 10.0])
    assert found.sentence.startswith("any t0.error from 0.01 to 1 costs")


def test_a_shared_weight_is_reported_as_its_own_until_its_losses_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, VALUES, [GOOD] * 5, 2)
    both: list[Any] = ["both", {"of": "both", "times": 3.0}]
    plain = define(study(*both, shared={"both": log_range()}))
    assert (range_of(plain, {"both": 1.0}, "both", {}).best, range_of(plain, {"both": 1.0}, "both", {}).of) == (1.0, None)
    divided = define(study(*both, shared={"both": log_range()}, normalize="initial_loss"))
    found = range_of(divided, {"both": 1.0}, "both", {"t0.error": 4.0, "t1.error": 2.0})
    assert (found.best, found.of, found.searched) == (0.25, "t0.error", pytest.approx((0.0025, 25.0)))
    assert found.sentence.startswith("any t0.error (by both) from 0.0025 to 25 costs")


def test_a_member_of_a_simplex_is_reported_by_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [0.1, 0.5, 0.9], [WORSE, GOOD, GOOD], 1)
    definition = define(study(log_range(0.1, 0.9), log_range(0.1, 0.9), space="simplex"))
    found = range_of(definition, {"t0.error": 0.4, "t1.error": 0.4}, "t0.error", {})
    assert (found.low, found.high, found.best, found.searched) == (0.5, 0.9, 0.5, pytest.approx((0.1, 0.9)))


def test_a_choice_lists_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [1.0, 2.0, 3.0, 4.0], [GOOD, WORSE, GOOD, OPEN], 0)
    definition = define(study({"values": [3.0, 1.0, 2.0, 4.0]}))
    found = range_of(definition, ONE, "t0.error", {})
    assert (found.values, found.worse, found.untold, found.low, found.high) == ((1.0, 3.0), (2.0,), (4.0,), 1.0, 3.0)
    assert found.sentence == (
        "t0.error 3 costs at most 0.5 in the objective against the winner, 95 % sure; 2 is worse; "
        "of 4 there are not enough trials to tell"
    )


@pytest.mark.parametrize(
    ("tried", "end"),
    [
        ([1.0, 2.0, 3.0], "5 trials do not show how far the winner is from the best"),
        ([1.0, 2.0, 3.0, 4.0], "every setting that there is was tried"),
    ],
)
def test_where_every_choice_was_tried_it_says_so(monkeypatch: pytest.MonkeyPatch, tried: list[float], end: str) -> None:
    profiled(monkeypatch, [1.0, 2.0, 3.0, 4.0], [GOOD, WORSE, GOOD, OPEN], 0)
    places = [*tried, *tried][:5]
    believed = beliefs(
        define(study({"values": [3.0, 1.0, 2.0, 4.0]})), [trial(i, {"t0.error": at}, value=at) for i, at in enumerate(places)]
    )
    assert believed is not None
    assert ranges(believed, believed.tried[0], DELTA, {})["t0.error"].sentence.endswith(f"; {end}")


def test_shapes_go_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [0.0, 1.0, 2.0], [GOOD, WORSE, GOOD], 0)
    shapes = {"shape": ["linear", "cosine", "step"], "fraction": 0.5}
    path = "t0.error.schedule.shape"
    definition = define(study({"values": [0.0, 1.0, 2.0], "schedule": shapes}))
    found = range_of(definition, {"t0.error": 1.0, path: 0.0}, path, {})
    assert (found.best, found.values, found.worse, found.low, found.searched) == (
        "linear",
        ("linear", "step"),
        ("cosine",),
        None,
        None,
    )
    assert [point.at for point in found.curve] == ["linear", "cosine", "step"]


def test_a_winner_in_the_outer_tenth_has_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [0.01, 0.02, 1.0, 100.0], [GOOD, GOOD, OPEN, OPEN], 1)
    found = range_of(define(study(log_range())), {"t0.error": 0.02}, "t0.error", {})
    assert found.edge is not None
    assert (found.edge.end, found.edge.suggested) == ("low", {"low": 0.0001, "high": 1.0, "scale": "log"})
    assert found.edge.sentence.startswith("the winner's t0.error of 0.02 is at the low end")


def test_a_best_at_an_end_by_most_curves_has_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    level = (0.0,) * 5
    found = Profile(tuple(VALUES), (OPEN, GOOD, GOOD, GOOD, GOOD), level, level, level, (0.1, 0.1, 0.1, 0.1, 0.6), 2, None)
    monkeypatch.setattr(module, "profile", lambda *arguments: found)
    edge = range_of(define(study(log_range())), ONE, "t0.error", {}).edge
    assert edge is not None
    assert edge.sentence.startswith("the best t0.error by the model of all trainings is at the high end")


def test_where_every_value_is_as_good_the_range_may_be_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, [0.01, 0.02, 1.0, 100.0], [GOOD] * 4, 1)
    edge = range_of(define(study(log_range())), {"t0.error": 0.02}, "t0.error", {}).edge
    assert edge is not None
    assert (edge.end, edge.suggested) == ("both", {"low": 0.0001, "high": 10_000.0, "scale": "log"})
    assert edge.sentence == (
        "every t0.error that was searched, 0.01 to 100, is as good as the winner's, so the range may be the limit: "
        "search from 0.0001 to 10000 next"
    )


def test_the_curve_has_even_values_alone_and_json_no_values_of_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, VALUES, [GOOD] * 5, 2, beside=True)
    found = range_of(define(study(log_range())), ONE, "t0.error", {})
    document = ranges_document({"t0.error": found})["t0.error"]
    assert [point["at"] for point in document["curve"]] == [0.01, 0.1, 10.0, 100.0]
    assert "values" not in document
