"""What a definition asks to be searched: terms, parameters, used weights, the baseline `current`, and the grid."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.definition.finite import affordable
from search.definition.space import SearchSpace, shared_by
from search.planning.baselines import baselines
from tests.search.definitions import define, flagship, log_range, study

PENALTY = {"penalty": "consistency", "between": [{"task": "t0"}, {"task": "t1"}]}


def test_terms_are_losses_in_the_tasks_order_then_penalties() -> None:
    found = SearchSpace(define(flagship())).terms
    assert [(term.path, term.kind) for term in found] == [
        ("digit.crossentropy", "loss"),
        ("parity.crossentropy", "loss"),
        ("agreement", "penalty"),
    ]
    assert found[0].task is not None
    assert found[2].task is None


def test_parameters_are_searched_weights_by_path() -> None:
    assert list(SearchSpace(define(flagship())).parameters) == ["parity.crossentropy", "agreement"]


def test_a_shared_weight_is_one_parameter_by_its_name() -> None:
    definition = define(study("walls", {"of": "walls", "times": 2}, log_range(), shared={"walls": log_range()}))
    assert list(SearchSpace(definition).parameters) == ["walls", "t2.error"]


def test_the_order_of_parameters_does_not_depend_on_the_order_of_keys() -> None:
    weights = {"b": log_range(), "a": log_range(points=3)}
    backwards = dict(reversed(weights.items()))
    first, second = (define(study("a", "b", shared=shared)) for shared in (weights, backwards))
    assert list(SearchSpace(first).parameters) == list(SearchSpace(second).parameters) == ["a", "b"]


def test_used_weights_have_every_term_fixed_ones_too() -> None:
    drawn = {"parity.crossentropy": 0.31, "agreement": 2.4}
    assert SearchSpace(define(flagship())).used_weights(drawn) == {
        "digit.crossentropy": 1.0,
        "parity.crossentropy": 0.31,
        "agreement": 2.4,
    }


def test_a_shared_weight_is_used_times_its_factor() -> None:
    definition = define(study("walls", {"of": "walls", "times": 0.5}, 3, shared={"walls": log_range()}))
    assert SearchSpace(definition).used_weights({"walls": 0.2}) == {"t0.error": 0.2, "t1.error": 0.1, "t2.error": 3.0}


@pytest.mark.parametrize(
    ("weight", "shared"),
    [(1.0, None), ({"low": 1, "high": 2}, None), ({"values": [1, 2]}, None), ("walls", ("walls", 1.0))],
)
def test_shared_by_names_the_shared_weight(weight: Any, shared: Any) -> None:
    document = study(weight, log_range(), shared={"walls": log_range()} if shared else None)
    assert shared_by(define(document).tasks[0].losses[0].weight) == shared


# The baseline `current`


def test_without_any_current_there_is_no_baseline() -> None:
    definition = define(study(log_range(), {"values": [1, 2]}))
    assert SearchSpace(definition).current_parameters() is None
    assert list(baselines(definition)) == []


def test_a_missing_current_is_one_for_a_loss_and_zero_for_a_penalty() -> None:
    document = study(log_range(current=5), log_range(), 1.0)
    document["penalties"] = [{"name": "same", **PENALTY, "weight": {"low": 0, "high": 1}}]
    definition = define(document)
    assert list(baselines(definition)) == ["current"]
    assert SearchSpace(definition).current_parameters() == {"t0.error": 5.0, "t1.error": 1.0, "same": 0.0}


def test_a_current_of_zero_is_a_current() -> None:
    assert SearchSpace(define(study(log_range(current=0)))).current_parameters() == {"t0.error": 0.0}


@pytest.mark.parametrize(("loss_uses_it", "value"), [(True, 1.0), (False, 0.0)])
def test_a_shared_weight_without_current_is_one_where_a_loss_uses_it(loss_uses_it: bool, value: float) -> None:
    document = study(log_range(current=2), "w" if loss_uses_it else 1.0, shared={"w": log_range()})
    document["penalties"] = [{"name": "same", **PENALTY, "weight": {"of": "w", "times": 3}}]
    assert SearchSpace(define(document)).current_parameters() == {"w": value, "t0.error": 2.0}


def test_a_shared_current_reaches_the_terms_times_their_factors() -> None:
    definition = define(study("w", {"of": "w", "times": 0.5}, shared={"w": log_range(current=4)}))
    assert SearchSpace(definition).used_weights(SearchSpace(definition).current_parameters() or {}) == {
        "t0.error": 4.0,
        "t1.error": 2.0,
    }


# The budget and the grid


@pytest.mark.parametrize(("trials", "budget"), [(None, 32), (1, 1), (500, 500)])
def test_a_search_has_32_trials_unless_it_says_otherwise(trials: int | None, budget: int) -> None:
    assert SearchSpace(define(study(log_range(), trials=trials))).trial_budget() == budget


def test_a_grid_is_the_product_of_points_and_values() -> None:
    weights = ["w", "w", log_range(points=4), {"values": [1, 2, 3]}]
    definition = define(study(*weights, shared={"w": log_range(points=5)}, sampler={"name": "grid"}))
    assert SearchSpace(definition).grid_size() == SearchSpace(definition).trial_budget() == 60


def test_the_last_parameter_of_a_grid_changes_fastest() -> None:
    definition = define(study({"values": [5, 1]}, {"low": 0, "high": 1, "points": 3}, sampler={"name": "grid"}))
    points = [tuple(SearchSpace(definition).grid_point(i).values()) for i in range(6)]
    assert points == [(5, 0), (5, 0.5), (5, 1), (1, 0), (1, 0.5), (1, 1)]


axes = st.one_of(
    st.tuples(st.floats(1e-9, 1e3), st.floats(1.001, 1e6), st.integers(2, 6)).map(
        lambda drawn: {"low": drawn[0], "high": drawn[0] * drawn[1], "points": drawn[2]}
    ),
    st.lists(st.floats(0, 1e6), min_size=2, max_size=5, unique=True).map(lambda values: {"values": values}),
)


@given(st.lists(axes, min_size=1, max_size=4))
@settings(deadline=None, derandomize=True)
def test_every_point_of_a_grid_comes_exactly_once(weights: list[Any]) -> None:
    definition = define(study(*weights, sampler={"name": "grid"}))
    points = [tuple(SearchSpace(definition).grid_point(i).values()) for i in range(SearchSpace(definition).grid_size())]
    expected = itertools.product(*(weight.grid() for weight in SearchSpace(definition).parameters.values()))
    assert points == list(expected)
    assert len(set(points)) == len(points)


@given(st.lists(axes, min_size=1, max_size=3))
@settings(deadline=None, derandomize=True)
def test_the_corners_of_a_grid_are_the_bounds_exactly(weights: list[Any]) -> None:
    definition = define(study(*weights, sampler={"name": "grid"}))
    first, last = SearchSpace(definition).grid_point(0), SearchSpace(definition).grid_point(SearchSpace(definition).grid_size() - 1)
    lows = [weight["low"] if "low" in weight else weight["values"][0] for weight in weights]
    highs = [weight["high"] if "high" in weight else weight["values"][-1] for weight in weights]
    assert (list(first.values()), list(last.values())) == (lows, highs)


@pytest.mark.parametrize(("budget", "most"), [(3, 3), (6, 6), (100, 6)])
def test_no_budget_affords_more_points_than_the_grid_has(budget: int, most: int) -> None:
    definition = define(study(log_range(points=6), sampler={"name": "grid"}))
    assert affordable(definition, budget) == most


def test_a_sampler_that_draws_can_spend_any_budget() -> None:
    assert affordable(define(flagship()), 100_000) == 100_000
