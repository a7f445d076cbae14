"""Trials on several seeds: means of numbers, and the objective by seed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from search.definition.schema import Objective
from search.objective.outcomes import TrialCurve, outcome
from search.objective.seed_means import mean_measured, mean_values, rescored, seed_results
from storage.records import UNDEFINED, Measured, Outcome, SeedResult, TrialState, Undefined
from tests.search.definitions import define, flagship

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"


def objective(**changes: object) -> Objective:
    return define({**flagship(), "objective": {**flagship()["objective"], **changes}}).objective


def curve(*accuracies: float) -> TrialCurve:
    """Return a curve from epoch 0 whose two accuracies are as given, and less by 0.1."""
    return TrialCurve({epoch: Measured({}, {DIGIT: each, PARITY: each - 0.1}) for epoch, each in enumerate(accuracies)})


def test_numbers_are_means_over_seeds() -> None:
    assert mean_values([{"a": 1.0, "b": 2.0}, {"a": 4.0, "b": math.inf}]) == {"a": 2.5, "b": math.inf}


def test_a_number_that_one_seed_lacks_has_no_mean() -> None:
    assert mean_values([{"a": 1.0, "b": 2.0}, {"a": 4.0}]) == {"a": 2.5}


def test_what_the_rows_do_not_define_stays_undefined() -> None:
    assert isinstance(mean_values([{"a": UNDEFINED}, {"a": UNDEFINED}])["a"], Undefined)


def test_a_mean_with_not_a_number_is_none_either() -> None:
    assert math.isnan(mean_values([{"a": math.nan}, {"a": 1.0}])["a"])


def test_every_split_is_averaged() -> None:
    found = mean_measured([Measured({"a": 1.0}, {"b": 2.0}, {"c": 3.0}), Measured({"a": 3.0}, {"b": 4.0}, {"c": 5.0})])
    assert found == Measured({"a": 2.0}, {"b": 3.0}, {"c": 4.0})


def ended(curves: dict[int, TrialCurve], judged_by: Objective, state: TrialState = TrialState.COMPLETE) -> Outcome:
    epochs = min(each.epochs for each in curves.values())
    mean = TrialCurve({epoch: mean_measured([each.reports[epoch] for each in curves.values()]) for epoch in range(epochs + 1)})
    return outcome(0, mean, judged_by, state, None, epochs)


def test_each_seed_has_the_objective_of_its_own_numbers_at_the_last_epoch() -> None:
    curves = {0: curve(0.1, 0.9, 0.6), 7: curve(0.1, 0.5, 0.8)}
    found = seed_results(ended(curves, objective()), curves, objective())
    assert {seed: each.value for seed, each in found.items()} == {0: pytest.approx(0.55), 7: pytest.approx(0.75)}
    assert ended(curves, objective()).value == pytest.approx(0.65)  # the mean of both, the aggregate being linear


def test_the_best_epoch_is_that_of_the_means() -> None:
    best, curves = objective(epoch="best"), {0: curve(0.1, 0.9, 0.6), 7: curve(0.1, 0.7, 0.8)}
    found = seed_results(ended(curves, best), curves, best)
    assert {seed: list(each.measured) for seed, each in found.items()} == {0: [1], 7: [1]}
    assert found[7].value == pytest.approx(0.65)  # not its own best one


def test_a_pruned_trial_has_what_each_seed_gave_at_its_last_epoch() -> None:
    curves = {0: curve(0.1, 0.9, 0.6, 0.7), 7: curve(0.1, 0.5)}
    found = seed_results(ended(curves, objective(), TrialState.PRUNED), curves, objective())
    assert {seed: each.value for seed, each in found.items()} == {0: pytest.approx(0.85), 7: pytest.approx(0.45)}


def test_a_trial_that_diverged_has_none() -> None:
    curves = {0: curve(0.1, 0.9), 7: curve(0.1, 0.5)}
    assert seed_results(ended(curves, objective(), TrialState.DIVERGED), curves, objective()) == {}


def test_a_front_has_numbers_by_seed_and_no_value() -> None:
    front, curves = objective(aggregate="pareto"), {0: curve(0.1, 0.9), 7: curve(0.1, 0.5)}
    found = seed_results(ended(curves, front), curves, front)
    assert found == {
        0: SeedResult(None, {1: {DIGIT: 0.9, PARITY: 0.8}}),
        7: SeedResult(None, {1: {DIGIT: 0.5, PARITY: 0.4}}),
    }


def relative(epoch: str) -> Objective:
    constraint = {"metric": DIGIT, "strategy": "constraint", "at_least": {"of": "equal", "times": 0.9}}
    return objective(metrics=[{"metric": PARITY}, constraint], epoch=epoch)


@pytest.mark.parametrize(("epoch", "kept"), [("last", [2]), ("best", [0, 1, 2])])
def test_what_may_come_to_count_is_kept_until_it_can_be_scored(epoch: str, kept: list[int]) -> None:
    unknown, curves = relative(epoch), {0: curve(0.1, 0.9, 0.6), 7: curve(0.1, 0.7, 0.8)}
    before = ended(curves, unknown)
    found = seed_results(before, curves, unknown)
    assert {(each.value, tuple(each.measured)) for each in found.values()} == {(None, tuple(kept))}
    bound = [metric.model_copy(update={"at_least": 0.5}) if metric.metric == DIGIT else metric for metric in unknown.metrics]
    known = unknown.model_copy(update={"metrics": tuple(bound)})
    scored = rescored(replace(before, best_epoch=1), found, known)
    expected = {"last": {0: 0.5, 7: 0.7}, "best": {0: 0.8, 7: 0.6}}[epoch]
    assert {seed: each.value for seed, each in scored.items()} == {seed: pytest.approx(value) for seed, value in expected.items()}
    assert {len(each.measured) for each in scored.values()} == {1}
