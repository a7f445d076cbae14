"""Which range of a parameter is as good as the best, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from search.analysis.noise import Noise, Threshold
from search.analysis.sensitivity import (
    Range,
    competing,
    importance_told,
    noise_told,
    ranges,
    ranges_told,
    rules,
    winner_of,
)
from storage.records import Role, TrialRecord, TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

ONE = define(study(log_range()))
TWO = define(study(log_range(), log_range()))
BAR = Threshold(best=1.0, least=0.5, margin=0.5, noise=Noise(0.2, 7, "trial 0 on 8 fresh seeds"), confirmed=True)
GOOD, BAD = 0.6, 0.1


def tried(values: Mapping[float, float]) -> list[TrialRecord]:
    """Return trials of one parameter: what each of its values reached."""
    return [trial(number, {"t0.error": at}, value=value) for number, (at, value) in enumerate(values.items())]


def range_of(values: Mapping[float, float], best: float = 1.0) -> Range:
    searched = tried(values)
    winner = next(each for each in searched if each.parameters["t0.error"] == best)
    return ranges(ONE, searched, winner, BAR)["t0.error"]


def test_a_range_reaches_to_the_last_good_value_before_worse_ones() -> None:
    found = range_of({0.1: BAD, 0.2: BAD, 0.3: GOOD, 0.6: GOOD, 1.0: 1.0, 2.0: GOOD, 3.0: GOOD, 5.0: BAD, 9.0: BAD})
    assert (found.low, found.high, found.best, found.searched) == (0.3, 3.0, 1.0, (0.01, 100.0))
    assert (found.to_lowest, found.to_highest) == (False, False)
    assert found.sentence == "any t0.error in [0.3, 3] is as good as the best within noise"


def test_one_worse_trial_among_good_ones_may_be_bad_luck() -> None:
    found = range_of({1.0: 1.0, 2.0: GOOD, 3.0: GOOD, 4.0: BAD, 5.0: GOOD, 6.0: BAD})
    assert found.high == 5.0


def test_a_run_of_worse_trials_is_no_luck_whatever_comes_after_it() -> None:
    # 2 good of 2, and two more at 2/3: a share of 5/6, so a run of two has the chance 1/36
    found = range_of({1.0: 1.0, 2.0: GOOD, 3.0: GOOD, 4.0: BAD, 5.0: BAD, 6.0: GOOD})
    assert (found.high, found.to_highest) == (3.0, False)


def test_a_range_that_is_open_says_how_far_was_tried() -> None:
    found = range_of({0.02: GOOD, 0.5: GOOD, 1.0: 1.0, 2.0: GOOD, 4.0: BAD})
    assert (found.to_lowest, found.to_highest) == (True, False)
    assert found.sentence == "any t0.error in [0.02, 2] is as good as the best within noise (down to the lowest value tried)"


def test_where_all_are_good_any_value_tried_is() -> None:
    found = range_of({0.02: GOOD, 1.0: 1.0, 70.0: GOOD})
    assert found.sentence == "any t0.error that was tried, 0.02 to 70, is as good as the best within noise"


def test_a_winner_among_worse_ones_stands_alone() -> None:
    found = range_of({0.5: BAD, 1.0: 1.0, 2.0: BAD})
    assert (found.low, found.high) == (1.0, 1.0)
    assert found.sentence == "no value of t0.error that was tried near 1 is as good as that within noise"


def test_a_parameter_of_which_one_value_was_tried_says_so() -> None:
    assert range_of({1.0: 1.0}).sentence == "no other value of t0.error was tried than 1"


def test_the_winner_is_good_though_its_search_value_is_below_the_bar() -> None:
    assert range_of({0.5: GOOD, 1.0: 0.4, 2.0: GOOD}).low == 0.5


@pytest.mark.parametrize(
    "broken",
    [{"state": TrialState.DIVERGED}, {"state": TrialState.PRUNED}, {"value": 2.0, "feasible": False}, {"value": float("nan")}],
)
def test_a_trial_that_diverged_or_broke_a_constraint_is_worse(broken: Mapping[str, object]) -> None:
    searched = tried({1.0: 1.0, 2.0: GOOD})
    searched += [trial(number, {"t0.error": float(number)}, **broken) for number in (3, 4, 5)]
    assert ranges(ONE, searched, searched[0], BAR)["t0.error"].high == 2.0


def test_failed_trials_and_other_roles_tell_nothing() -> None:
    others = [trial(1, state=TrialState.FAILED), trial(2, role=Role.BASELINE), trial(3, state=TrialState.RUNNING)]
    assert competing([trial(0), *others]) == [trial(0)]


def test_with_several_parameters_others_may_be_tuned_to_each_value() -> None:
    # a valley along t0 * t1 = 1: of each value of t0 that was tried, one is good together with its own t1
    points = [(0.1, 10.0), (0.1, 0.1), (1.0, 1.0), (1.0, 10.0), (10.0, 0.1), (10.0, 10.0)]
    searched = [
        trial(i, {"t0.error": one, "t1.error": other}, value=1.0 if one * other == 1 else BAD)
        for i, (one, other) in enumerate(points)
    ]
    found = ranges(TWO, searched, searched[2], BAR)["t0.error"]
    assert (found.low, found.high) == (0.1, 10.0)
    assert found.sentence.endswith("is as good as the best within noise, the other parameters tuned to it")


def test_a_choice_lists_the_values_that_are_good() -> None:
    definition = define(study({"values": [3.0, 1.0, 2.0]}))
    found = ranges(definition, tried({1.0: 1.0, 2.0: BAD, 3.0: GOOD}), tried({1.0: 1.0})[0], BAR)["t0.error"]
    assert (found.values, found.low, found.high) == ((1.0, 3.0), 1.0, 3.0)
    assert found.sentence == "of t0.error, 1 and 3 are as good as the best within noise"


def test_shapes_go_by_their_names() -> None:
    definition = define(study({"low": 1.0, "high": 2.0, "schedule": {"shape": ["linear", "cosine", "step"], "fraction": 0.5}}))
    shape = "t0.error.schedule.shape"
    searched = [trial(i, {"t0.error": 1.0 + i / 10, shape: float(i)}, value=value) for i, value in enumerate((1.0, BAD, GOOD))]
    found = ranges(definition, searched, searched[0], BAR)[shape]
    assert (found.best, found.values, found.low, found.searched) == ("linear", ("linear", "step"), None, None)


def test_the_best_search_trial_is_feasible_and_the_first_of_equals() -> None:
    searched = [
        trial(0, value=0.5),
        trial(1, value=0.9, feasible=False),
        trial(2, value=0.5),
        trial(3, value=float("inf")),
        trial(4, value=0.9, role=Role.BASELINE),
    ]
    found = winner_of(searched)
    assert found is not None
    assert found.number == 0
    assert winner_of(searched[1:2]) is None


def told(shares: Mapping[str, Mapping[str, float]], untold: Mapping[str, str]) -> Mapping[str, object]:
    return {"trials": 20, "shares": shares, "untold": untold}


def test_importances_are_told_by_parameter() -> None:
    shares = {"objective": {"t0.error": 0.75, "t1.error": 0.25}, "t0.mse": {"t0.error": 1.0, "t1.error": 0.0}}
    found = importance_told(TWO, told(shares, {"t1.mse": "why"}))
    assert found["importance"]["t1.error"] == {"objective": 0.25, "metrics": {"t0.mse": 0.0, "t1.mse": None}}
    assert (found["untold"], found["trials"]) == ({"t1.mse": "why"}, 20)


def test_a_front_has_importances_for_its_metrics_alone() -> None:
    front = TWO.model_copy(update={"objective": TWO.objective.model_copy(update={"aggregate": "pareto"})})
    found = importance_told(front, told({"t0.mse": {"t0.error": 1.0, "t1.error": 0.0}}, {}))
    assert found["importance"]["t0.error"]["objective"] is None
    assert found["untold"] == {"objective": "the objective is a front: it has no value"}


def test_only_a_choice_has_values() -> None:
    plain = range_of({1.0: 1.0})
    assert "values" not in ranges_told({"t0.error": plain})["t0.error"]


def test_noise_is_told_or_why_not() -> None:
    assert noise_told(BAR, None)["least"] == 0.5
    unknown = noise_told(None, "no seeds")
    assert (unknown["std"], unknown["why"]) == (None, "no seeds")


@pytest.mark.parametrize(("definition", "word"), [(ONE, "with one parameter"), (TWO, "with several parameters")])
def test_the_rules_are_part_of_the_answer(definition: object, word: str) -> None:
    found: Sequence[str] = rules(definition, confirmed=True)  # type: ignore[arg-type]
    assert [rule.partition(":")[0] for rule in found[:3]] == ["importance", "as good as the best", "range"]
    assert found[3].startswith(word)
