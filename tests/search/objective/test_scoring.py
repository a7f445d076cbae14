"""From unweighted numbers to one value: aggregates by hand, signs, constraints, NaN, and the epoch that counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.catalog import AGGREGATES, AggregateEntry
from search.definition.schema import Objective
from search.objective.scoring import Score, best_epoch, counting_epoch, evaluate, sign
from tests.search.definitions import define, flagship

NAN, INF = math.nan, math.inf


def objective(*entries: dict[str, Any], aggregate: str | None = "mean", epoch: str = "last") -> Objective:
    return Objective.model_validate({"metrics": entries, "aggregate": aggregate, "epoch": epoch})


def up(metric: str, **fields: Any) -> dict[str, Any]:
    return {"metric": metric, "direction": "maximize", **fields}


def down(metric: str, **fields: Any) -> dict[str, Any]:
    return {"metric": metric, "direction": "minimize", **fields}


def bound(metric: str, **bounds: float) -> dict[str, Any]:
    return up(metric, strategy="constraint", **bounds)


def score(value: float, feasible: bool = True) -> Score:
    return Score(value, {}, feasible, {})


# Aggregates


def test_the_flagship_s_value_is_the_mean_of_its_accuracies() -> None:
    measured = {"digit.sparse_categorical_accuracy": 0.9, "parity.binary_accuracy": 0.8}
    found = evaluate(define(flagship()).objective, measured)
    assert found.value == pytest.approx(0.85)
    assert found.values == measured
    assert (found.feasible, found.violations) == (True, {})


def test_mean_is_the_sum_of_utility_times_sign_times_metric_over_the_sum_of_utilities() -> None:
    found = evaluate(objective(up("a", utility=3), down("b", utility=0.5)), {"a": 0.9, "b": 0.2})
    assert found.value == pytest.approx((3 * 0.9 - 0.5 * 0.2) / 3.5)


def test_worst_is_the_smallest_utility_times_sign_times_metric() -> None:
    wanted = objective(up("a", utility=2), down("b", utility=10), aggregate="worst")
    assert evaluate(wanted, {"a": 0.9, "b": 0.2}).value == pytest.approx(-2.0)
    assert evaluate(wanted, {"a": -3.0, "b": 0.2}).value == pytest.approx(-6.0)


@pytest.mark.parametrize(("entry", "value"), [(up("a"), 0.25), (down("a"), -0.25)])
def test_the_value_is_always_to_be_maximised(entry: dict[str, Any], value: float) -> None:
    assert evaluate(objective(entry, aggregate=None), {"a": 0.25}).value == value


@pytest.mark.parametrize(("entry", "expected"), [(up("a"), 1.0), (down("a"), -1.0)])
def test_the_sign_follows_the_direction(entry: dict[str, Any], expected: float) -> None:
    assert sign(objective(entry).metrics[0]) == expected


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
def test_stored_and_constraining_metrics_do_not_change_the_value(aggregate: str) -> None:
    wanted = objective(up("a"), up("b", strategy="store"), bound("c", at_least=0), aggregate=aggregate)
    found = evaluate(wanted, {"a": 0.5, "b": 100.0, "c": 7.0})
    assert found.value == 0.5
    assert found.values == {"a": 0.5, "b": 100.0, "c": 7.0}


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=6))
@settings(deadline=None, derandomize=True)
def test_the_mean_lies_between_the_worst_and_the_best_signed_metric(drawn: list[tuple[float, float, bool]]) -> None:
    entries = [(up if rises else down)(f"m{i}", utility=utility) for i, (utility, _, rises) in enumerate(drawn)]
    signed = [value if rises else -value for _, value, rises in drawn]
    value = evaluate(objective(*entries), {f"m{i}": number for i, (_, number, _) in enumerate(drawn)}).value
    slack = 1e-9 * max(map(abs, signed))
    assert min(signed) - slack <= value <= max(signed) + slack


# Geometric mean and Tchebycheff


def toward(*entries: dict[str, Any], aggregate: str = "tchebycheff", mu: float | None = None, **ideal: float) -> Objective:
    config = {"ideal": ideal, **({} if mu is None else {"mu": mu})}
    return Objective.model_validate({"metrics": entries, "aggregate": aggregate, "config": config})


def test_the_geometric_mean_of_4_and_9_is_6() -> None:
    assert evaluate(objective(up("a"), up("b"), aggregate="geometric_mean"), {"a": 4.0, "b": 9.0}).value == pytest.approx(6)


def test_a_utility_is_an_exponent_of_the_geometric_mean() -> None:
    wanted = objective(up("a", utility=3), up("b"), aggregate="geometric_mean")  # (2^3 x 32)^(1/4) = 256^(1/4)
    assert evaluate(wanted, {"a": 2.0, "b": 32.0}).value == pytest.approx(4)


@pytest.mark.parametrize(
    ("measured", "value"), [({"a": 0.0, "b": 9.0}, 0.0), ({"a": INF, "b": 2.0}, INF), ({"a": 1.7e308, "b": 1.7e308}, 1.7e308)]
)
def test_the_geometric_mean_at_the_ends_of_its_range(measured: dict[str, float], value: float) -> None:
    assert evaluate(objective(up("a"), up("b"), aggregate="geometric_mean"), measured).value == pytest.approx(value)


@pytest.mark.parametrize("measured", [{"a": -0.1, "b": 0.5}, {"a": -4.0, "b": -9.0}, {"a": 0.0, "b": INF}])
def test_a_geometric_mean_that_there_is_not_is_nan(measured: dict[str, float]) -> None:
    assert math.isnan(evaluate(objective(up("a"), up("b"), aggregate="geometric_mean"), measured).value)


def test_tchebycheff_is_minus_the_greatest_weighted_distance_to_the_ideal() -> None:
    wanted = toward(up("a"), down("b", utility=3), a=1.0, b=0.0)  # 1/4 x (1 - 0.2) = 0.2; 3/4 x (0.4 - 0) = 0.3
    assert evaluate(wanted, {"a": 0.2, "b": 0.4}).value == pytest.approx(-0.3)
    assert evaluate(wanted, {"a": 0.2, "b": 0.1}).value == pytest.approx(-0.2)


def test_beyond_its_ideals_tchebycheff_is_positive() -> None:
    assert evaluate(toward(up("a"), down("b"), a=0.5, b=0.5), {"a": 0.7, "b": 0.1}).value == pytest.approx(0.1)


def test_the_smooth_form_is_mu_log_sum_exp_of_the_distances() -> None:
    wanted = toward(up("a"), down("b"), aggregate="smooth_tchebycheff", mu=0.5, a=1.0, b=0.0)
    # distances 1/2 x 0.6 and 1/2 x 0.2, over mu: 0.6 and 0.2; 0.5 x log(1.8221188 + 1.2214028) = 0.5 x 1.1130158
    assert evaluate(wanted, {"a": 0.4, "b": 0.2}).value == pytest.approx(-0.5565079, abs=1e-6)


def test_the_smooth_form_has_a_mu_of_a_tenth_by_itself() -> None:
    given, left_out = (
        evaluate(toward(up("a"), down("b"), aggregate="smooth_tchebycheff", mu=mu, a=1.0, b=0.0), {"a": 0.4, "b": 0.2}).value
        for mu in (0.1, None)
    )
    assert given == left_out


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(-1e6, 1e6)), min_size=1, max_size=6), st.floats(1e-9, 1e3))
@settings(deadline=None, derandomize=True)
def test_the_smooth_form_lies_mu_log_m_below_the_other_at_most(drawn: list[tuple[float, float]], mu: float) -> None:
    entries = [up(f"m{i}", utility=utility) for i, (utility, _) in enumerate(drawn)]
    measured = {f"m{i}": value for i, (_, value) in enumerate(drawn)}
    ideal = dict.fromkeys(measured, 1.0)
    sharp = evaluate(toward(*entries, **ideal), measured).value
    smooth = evaluate(toward(*entries, aggregate="smooth_tchebycheff", mu=mu, **ideal), measured).value
    slack = 1e-9 * (abs(sharp) + mu)
    assert sharp - mu * math.log(len(drawn)) - slack <= smooth <= sharp + slack


@pytest.mark.parametrize("aggregate", ["tchebycheff", "smooth_tchebycheff"])
@pytest.mark.parametrize(
    ("measured", "value"),
    [
        ({"a": -INF, "b": 0.0}, -INF),
        ({"a": 0.5, "b": INF}, -INF),
        ({"a": INF, "b": -INF}, INF),
        ({"a": NAN, "b": 0.0}, NAN),
        ({"a": NAN, "b": INF}, NAN),
    ],
)
def test_distances_that_are_not_finite(aggregate: str, measured: dict[str, float], value: float) -> None:
    found = evaluate(toward(up("a"), down("b"), aggregate=aggregate, a=1.0, b=0.0), measured).value
    assert found == value or (math.isnan(found) and math.isnan(value))


@pytest.mark.parametrize("aggregate", ["tchebycheff", "smooth_tchebycheff"])
def test_a_metric_without_an_ideal_makes_the_value_nan(aggregate: str) -> None:
    assert math.isnan(evaluate(toward(up("a"), down("b"), aggregate=aggregate, a=1.0), {"a": 1.0, "b": 0.0}).value)


# What is not a number


def judging(entry: AggregateEntry) -> Objective:
    """Return an objective of two metrics with all that any aggregate asks for."""
    numbers = {"ideal": {"a": 1.0, "b": 1.0}, "references": {"a": 0.5, "b": 0.5}}
    config = {name: value for name, value in numbers.items() if entry.parameter(name) is not None}
    return objective(up("a"), up("b"), aggregate=entry.name).model_copy(update={"config": config})


VALUED = pytest.mark.parametrize("entry", [entry for entry in AGGREGATES if not entry.is_front], ids=lambda entry: entry.name)


@VALUED
@pytest.mark.parametrize("measured", [{"a": 1.0, "b": NAN}, {"a": 1.0}, {"b": 1.0}, {"a": NAN, "b": NAN}, {}])
def test_a_number_that_is_nan_or_missing_makes_the_value_nan(entry: AggregateEntry, measured: dict[str, float]) -> None:
    assert math.isnan(evaluate(judging(entry), measured).value)


@VALUED
def test_more_of_every_metric_is_worth_more(entry: AggregateEntry) -> None:
    less, more = (evaluate(judging(entry), {"a": each, "b": each}).value for each in (0.6, 0.7))
    assert less < more


@pytest.mark.parametrize("entry", AGGREGATES, ids=lambda entry: entry.name)
def test_only_an_aggregate_that_is_a_front_has_no_value(entry: AggregateEntry) -> None:
    assert math.isnan(evaluate(judging(entry), {"a": 0.6, "b": 0.7}).value) is entry.is_front


@pytest.mark.parametrize(("measured", "value"), [({"a": INF, "b": 1.0}, INF), ({"a": -INF, "b": 1.0}, -INF)])
def test_an_infinite_metric_makes_the_mean_infinite(measured: dict[str, float], value: float) -> None:
    assert evaluate(objective(up("a"), up("b")), measured).value == value


def test_infinities_against_each_other_are_nan() -> None:
    assert math.isnan(evaluate(objective(up("a"), down("b")), {"a": INF, "b": INF}).value)


def test_sums_beyond_the_greatest_float_do_not_raise() -> None:
    assert evaluate(objective(up("a"), up("b")), {"a": 1.7e308, "b": 1.7e308}).value == INF


def test_the_worst_with_an_infinite_metric_is_the_other_one() -> None:
    assert evaluate(objective(up("a"), up("b"), aggregate="worst"), {"a": INF, "b": 1.0}).value == 1.0


# Constraints


@pytest.mark.parametrize(
    ("bounds", "value", "violation"),
    [
        ({"at_least": 0.9}, 0.95, 0),
        ({"at_least": 0.9}, 0.9, 0),
        ({"at_least": 0.9}, 0.7, 0.2),
        ({"at_most": 0.1}, 0.1, 0),
        ({"at_most": 0.1}, 0.4, 0.3),
        ({"at_least": 0.2, "at_most": 0.4}, 0.3, 0),
        ({"at_least": 0.2, "at_most": 0.4}, 0.1, 0.1),
        ({"at_least": 0.2, "at_most": 0.4}, 0.5, 0.1),
        ({"at_least": 0.9}, NAN, INF),
        ({"at_least": 0.9}, -INF, INF),
        ({"at_most": 0.9}, INF, INF),
        ({"at_least": 0.9}, INF, 0),
    ],
)
def test_a_violation_is_by_how_much_a_bound_is_broken(bounds: dict[str, float], value: float, violation: float) -> None:
    found = evaluate(objective(up("a"), bound("b", **bounds)), {"a": 1.0, "b": value})
    assert found.violations == {"b": pytest.approx(violation)}
    assert found.feasible is (violation == 0)


def test_a_missing_constraint_is_infeasible() -> None:
    found = evaluate(objective(up("a"), bound("b", at_most=1)), {"a": 1.0})
    assert (found.feasible, found.violations, found.value) == (False, {"b": INF}, 1.0)


def test_one_broken_constraint_of_two_is_infeasible() -> None:
    found = evaluate(objective(up("a"), bound("b", at_most=1), bound("c", at_least=1)), {"a": 1.0, "b": 0.0, "c": 0.0})
    assert (found.feasible, found.violations) == (False, {"b": 0.0, "c": 1.0})


# Which epoch counts


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (score(2), score(1)),
        (score(1), score(5, feasible=False)),
        (score(-1e9), score(NAN)),
        (score(-1e9), score(INF)),
        (score(NAN), score(5, feasible=False)),
        (score(-2, feasible=False), score(NAN, feasible=False)),
    ],
)
def test_scores_rank_feasible_first_then_finite_then_by_value(better: Score, worse: Score) -> None:
    assert better.rank > worse.rank


def test_the_last_epoch_counts_unless_the_best_is_asked_for() -> None:
    scores = {0: score(9), 1: score(3), 2: score(5), 3: score(4)}
    assert counting_epoch(objective(up("a"), epoch="last"), scores) == 3
    assert counting_epoch(objective(up("a"), epoch="best"), scores) == 2


def test_the_epoch_before_training_never_counts() -> None:
    assert best_epoch({0: score(9), 1: score(3)}) == 1


@pytest.mark.parametrize("epoch", ["last", "best"])
def test_a_trial_that_reported_nothing_else_has_the_epoch_before_training(epoch: str) -> None:
    assert counting_epoch(objective(up("a"), epoch=epoch), {0: score(1)}) == 0


def test_of_equal_epochs_the_earliest_is_best() -> None:
    assert best_epoch({3: score(1), 1: score(1), 2: score(1)}) == 1


def test_a_feasible_epoch_is_better_than_a_greater_infeasible_one() -> None:
    assert best_epoch({1: score(0.1), 2: score(0.9, feasible=False)}) == 1


def test_an_epoch_of_nan_is_never_the_best_of_several() -> None:
    assert best_epoch({1: score(NAN), 2: score(-5), 3: score(NAN)}) == 2
