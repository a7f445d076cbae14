"""From a cohort's reports to what is stored of each trial."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from search.definition.schema import Objective
from search.objective import outcomes
from search.objective.outcomes import TrialCurve, outcome
from storage.records import UNDEFINED, Measured, Moment, Outcome, Reason, TrialState

ACCURACY = {"metric": "digit.accuracy", "direction": "maximize"}
BOUND = {"metric": "parity.accuracy", "direction": "maximize", "strategy": "constraint", "at_least": 0.5}


def judged(epoch: str = "last", *entries: Mapping[str, object]) -> Objective:
    return Objective.model_validate({"metrics": entries or [ACCURACY], "epoch": epoch})


def curve(*accuracies: float, every: int = 1, parity: float = 1.0) -> TrialCurve:
    """Return a curve whose first number is that before training; the loss in training falls from 10."""
    found = TrialCurve()
    for place, accuracy in enumerate(accuracies):
        found.add(place * every, Measured({"digit.loss": 10.0 - place}, {"digit.accuracy": accuracy, "parity.accuracy": parity}))
    return found


def test_a_complete_trial_has_the_value_of_its_last_epoch() -> None:
    ended = outcome(3, curve(0.1, 0.9, 0.8), judged(), TrialState.COMPLETE, None, 2)
    assert (ended.number, ended.state, ended.epochs, ended.reason) == (3, TrialState.COMPLETE, 2, None)
    assert (ended.value, ended.values, ended.feasible, ended.violations) == (0.8, {"digit.accuracy": 0.8}, True, {})
    assert ended.best_epoch == 1


def test_a_complete_trial_has_the_value_of_its_best_epoch_where_asked() -> None:
    ended = outcome(3, curve(0.1, 0.9, 0.8), judged("best"), TrialState.COMPLETE, None, 2)
    assert (ended.value, ended.best_epoch) == (0.9, 1)


@pytest.mark.parametrize("epoch", ["last", "best"])
def test_the_numbers_of_the_initial_last_and_best_epoch_are_kept(epoch: str) -> None:
    measured = outcome(0, curve(0.1, 0.9, 0.8), judged(epoch), TrialState.COMPLETE, None, 2).measured
    assert {moment: numbers.validation["digit.accuracy"] for moment, numbers in measured.items()} == {
        Moment.INITIAL: 0.1,
        Moment.LAST: 0.8,
        Moment.BEST: 0.9,
    }
    assert {moment: numbers.train["digit.loss"] for moment, numbers in measured.items()} == {
        Moment.INITIAL: 10.0,
        Moment.LAST: 8.0,
        Moment.BEST: 9.0,
    }
    assert all(numbers.test == {} for numbers in measured.values())


def test_the_number_before_training_is_never_the_result() -> None:
    ended = outcome(0, curve(0.9, 0.1, 0.2), judged("best"), TrialState.COMPLETE, None, 2)
    assert (ended.value, ended.best_epoch) == (0.2, 2)


def test_epochs_that_were_not_reported_are_no_results() -> None:
    ended = outcome(0, curve(0.1, 0.5, 0.4, every=5), judged("best"), TrialState.COMPLETE, None, 10)
    assert (ended.best_epoch, ended.epochs, ended.value) == (5, 10, 0.5)


def test_a_broken_constraint_is_infeasible_by_how_much() -> None:
    ended = outcome(0, curve(0.1, 0.9, parity=0.2), judged("last", ACCURACY, BOUND), TrialState.COMPLETE, None, 1)
    assert (ended.value, ended.feasible, ended.violations) == (0.9, False, {"parity.accuracy": pytest.approx(0.3)})
    assert ended.values == {"digit.accuracy": 0.9, "parity.accuracy": 0.2}


def test_the_best_epoch_is_a_feasible_one() -> None:
    found = curve(0.0, 0.6)
    found.add(2, Measured({"digit.loss": 1.0}, {"digit.accuracy": 0.9, "parity.accuracy": 0.1}))
    ended = outcome(0, found, judged("best", ACCURACY, BOUND), TrialState.COMPLETE, None, 2)
    assert (ended.best_epoch, ended.value, ended.feasible) == (1, 0.6, True)


@pytest.mark.parametrize("state", [TrialState.DIVERGED, TrialState.FAILED, TrialState.CANCELLED])
def test_a_trial_that_did_not_complete_keeps_its_numbers_but_has_no_value(state: TrialState) -> None:
    reason = Reason("not_finite", "digit.loss is nan", "tasks.0.losses.0")
    ended = outcome(5, curve(0.1, 0.9, math.nan), judged(), state, reason, 2)
    assert (ended.state, ended.reason, ended.epochs, ended.best_epoch) == (state, reason, 2, 1)
    assert (ended.value, ended.values, ended.feasible, ended.violations) == (None, {}, None, {})
    assert math.isnan(ended.measured[Moment.LAST].validation["digit.accuracy"])
    assert ended.measured[Moment.BEST].validation["digit.accuracy"] == 0.9


@pytest.mark.parametrize("epoch", ["last", "best"])
def test_a_pruned_trial_has_the_value_of_its_last_epoch(epoch: str) -> None:
    reason = Reason("pruned", "epoch 2: worse than the median of 9 others")
    ended = outcome(5, curve(0.1, 0.9, 0.8), judged(epoch), TrialState.PRUNED, reason, 2)
    assert (ended.state, ended.epochs, ended.best_epoch, ended.reason) == (TrialState.PRUNED, 2, 1, reason)
    assert (ended.value, ended.values, ended.feasible) == (0.8, {"digit.accuracy": 0.8}, True)


def test_a_trial_without_a_report_has_no_numbers() -> None:
    ended = outcome(5, TrialCurve(), judged(), TrialState.FAILED, Reason("term_failed", "raised"), 0)
    assert (ended.measured, ended.best_epoch, ended.value) == ({}, None, None)


def test_a_trial_that_reported_the_epoch_before_training_alone_has_that_one() -> None:
    ended = outcome(0, curve(0.1), judged(), TrialState.DIVERGED, None, 0)
    assert ended.best_epoch == 0
    assert {moment: numbers.validation["digit.accuracy"] for moment, numbers in ended.measured.items()} == dict.fromkeys(
        Moment, 0.1
    )


def test_a_metric_that_is_nan_makes_the_value_nan() -> None:
    ended = outcome(0, curve(0.1, math.nan), judged(), TrialState.COMPLETE, None, 1)
    assert ended.value is not None
    assert math.isnan(ended.value)


def test_a_report_again_replaces_the_epoch() -> None:
    found = curve(0.1, 0.2)
    found.add(1, Measured({"digit.loss": 0.0}, {"digit.accuracy": 0.7}))
    assert (found.epochs, found.reports[1]) == (1, Measured({"digit.loss": 0.0}, {"digit.accuracy": 0.7}))


def test_a_curve_without_reports_has_no_epochs() -> None:
    assert TrialCurve().epochs == 0


def test_a_trial_of_a_front_has_its_metrics_and_no_value_and_its_last_epoch_is_its_best() -> None:
    front = judged("last", ACCURACY, {"metric": "parity.accuracy", "direction": "maximize"})
    ended = outcome(3, curve(0.1, 0.9, 0.8), front.model_copy(update={"aggregate": "pareto"}), TrialState.COMPLETE, None, 2)
    assert (ended.value, ended.values) == (None, {"digit.accuracy": 0.8, "parity.accuracy": 1.0})
    assert (ended.feasible, ended.best_epoch) == (True, 2)


# Complete trials without an objective


def complete(aggregate: str = "mean", **values: float) -> Outcome:
    """Return the outcome of a complete trial of one epoch; `values` by the metric's last name, all of them to be maximised."""
    objective = Objective.model_validate(
        {"metrics": [{"metric": f"t.{name}", "direction": "maximize"} for name in values], "aggregate": aggregate}
    )
    found = TrialCurve({1: Measured({"t.loss": 1.0}, {f"t.{name}": value for name, value in values.items()})})
    return outcomes.judged(outcome(3, found, objective, TrialState.COMPLETE, None, 1), objective)


@pytest.mark.parametrize("aggregate", ["mean", "worst", "geometric_mean", "pareto"])
def test_a_complete_trial_with_an_undefined_metric_is_failed_and_keeps_its_numbers(aggregate: str) -> None:
    ended = complete(aggregate, acc=0.5, auc=UNDEFINED)
    assert (ended.state, ended.reason) == (TrialState.FAILED, Reason("no_objective", "t.auc is undefined on validation"))
    assert ended.values == {"t.acc": 0.5, "t.auc": UNDEFINED}
    assert ended.measured[Moment.LAST].validation == {"t.acc": 0.5, "t.auc": UNDEFINED}
    assert (ended.epochs, ended.best_epoch) == (1, 1)


def test_every_metric_that_is_not_finite_is_named_for_what_it_is() -> None:
    ended = complete(a=math.nan, b=math.inf, c=-math.inf, d=UNDEFINED, e=1.0)
    assert ended.reason is not None
    named = "t.a is not a number, t.b is infinite, t.c is minus infinite, t.d is undefined on validation"
    assert ended.reason.message == named


def test_an_aggregate_that_finite_metrics_do_not_have_is_named() -> None:
    ended = complete("geometric_mean", a=-0.5, b=0.5)
    message = "the geometric_mean of t.a and t.b is not a number on validation, though each is finite"
    assert (ended.state, ended.reason) == (TrialState.FAILED, Reason("no_objective", message))


@pytest.mark.parametrize(
    ("aggregate", "values"), [("mean", {"a": 0.5}), ("worst", {"a": 0.5, "b": math.inf}), ("pareto", {"a": 0.5})]
)
def test_a_trial_with_a_finite_objective_stays_complete(aggregate: str, values: dict[str, float]) -> None:
    ended = complete(aggregate, **values)
    assert (ended.state, ended.reason) == (TrialState.COMPLETE, None)


def test_a_constraint_that_cannot_be_measured_is_missed_without_bound_and_fails_nobody() -> None:
    objective = judged("last", ACCURACY, BOUND)
    ended = outcome(0, curve(0.1, 0.9, parity=UNDEFINED), objective, TrialState.COMPLETE, None, 1)
    assert outcomes.judged(ended, objective) == ended
    assert (ended.value, ended.feasible, ended.violations) == (0.9, False, {"parity.accuracy": math.inf})


@pytest.mark.parametrize("epoch", ["last", "best"])
def test_only_the_epoch_that_counts_decides(epoch: str) -> None:
    objective = judged(epoch)
    ended = outcomes.judged(outcome(0, curve(0.1, 0.9, math.nan), objective, TrialState.COMPLETE, None, 2), objective)
    assert ended.state is (TrialState.FAILED if epoch == "last" else TrialState.COMPLETE)


def test_what_is_relative_is_not_judged_before_it_is_known() -> None:
    bound = {**BOUND, "at_least": {"of": "equal"}}
    objective = judged("last", ACCURACY, bound)
    ended = outcomes.judged(outcome(0, curve(0.1, math.nan), objective, TrialState.COMPLETE, None, 1), objective)
    assert (ended.state, ended.value) == (TrialState.COMPLETE, None)


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED, TrialState.CANCELLED])
def test_a_trial_that_ended_otherwise_keeps_its_end(state: TrialState) -> None:
    ended = outcome(0, curve(0.1, math.nan), judged(), state, Reason("other", "why"), 1)
    assert outcomes.judged(ended, judged()) == ended
