"""A range in place of a number in a config: where it may stand, what it may say, and what a study with one is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search import catalog
from search.definition import searched_arguments
from search.definition.space import SearchSpace
from search.sampling.suggest import DrawIndex, suggest
from search.validation import normalize
from search.validation.context import ValidationContext
from search.validation.partial import parts_of
from search.validation.warnings import cautions
from tests.search.definitions import (
    PUBLISHED,
    UNPUBLISHED,
    Document,
    ads,
    changed,
    define,
    fault_at,
    faults_of,
    flagship,
    log_range,
    only,
)

RATE = "training.optimizer.config.learning_rate"
RATES = {"low": 1e-4, "high": 1e-2}


def focal(gamma: Any = 2.0, **config: Any) -> Document:
    """Return the flagship with a focal loss on parity."""
    loss = {"name": "focal", "loss": "binary_focal_crossentropy", "config": {"gamma": gamma, **config}}
    return changed(flagship(), {"tasks.1.losses.1": loss})


def own(**config: Any) -> Document:
    """Return a study with a loss of the workload's own."""
    return ads(**{"tasks.0.losses.1": {"name": "margin", "loss": "margin", "config": config}})


# Where a range may stand


def test_a_learning_rate_may_be_searched() -> None:
    assert list(SearchSpace(define(changed(flagship(), {RATE: RATES}))).parameters) == [
        "parity.crossentropy",
        "agreement",
        "optimizer.learning_rate",
    ]


def test_a_loss_s_argument_may_be_searched() -> None:
    definition = define(focal({"values": [0, 1, 2]}))
    assert SearchSpace(definition).parameters["parity.focal.gamma"].grid() == (0, 1, 2)


@pytest.mark.parametrize("workloads", [PUBLISHED, UNPUBLISHED])
def test_any_number_of_a_loss_of_the_workload_s_own_may_be_searched(workloads: Any) -> None:
    definition = define(own(temperature=log_range(0.5, 8)), workloads)
    assert list(SearchSpace(definition).parameters) == ["click.error", "click.margin.temperature"]


def test_an_argument_that_needs_a_number_is_refused_with_those_that_may_be_searched() -> None:
    document = focal(label_smoothing=log_range(0.01, 0.5))
    fault = only(document, "tasks.1.losses.1.config.label_smoothing")
    assert fault.expected == "a fixed value: what is searched of binary_focal_crossentropy may be alpha, gamma"


def test_a_metric_s_argument_is_not_searched() -> None:
    metric = {"name": "auc", "metric": "auc", "config": {"num_thresholds": log_range(2, 9)}}
    fault = only(changed(flagship(), {"tasks.1.metrics.1": metric}), "tasks.1.metrics.1.config.num_thresholds")
    assert fault.expected == "a fixed value: what is searched of auc may be nothing"


def test_an_unknown_argument_is_reported_as_unknown() -> None:
    fault = fault_at({"training.optimizer.config": {"learning_rat": RATES}}, "training.optimizer.config.learning_rat")
    assert fault.did_you_mean == "learning_rate"


def test_a_penalty_s_tolerance_is_not_searched() -> None:
    at = "penalties.0.config.tolerance"
    assert fault_at({at: RATES}, at).expected.startswith("a fixed value")
    document = ads()
    document["penalties"] = [{"name": "rising", "penalty": "monotone", "config": {"tolerance": RATES}}]
    assert only(document, at, PUBLISHED).expected.startswith("a fixed number")


def test_the_catalog_says_what_may_be_searched() -> None:
    shown = {entry["name"]: entry for kind in ("losses", "penalties", "optimizers") for entry in catalog.describe()[kind]}
    searchable = {
        name: {parameter["name"] for parameter in entry["parameters"] if parameter["searchable"]} for name, entry in shown.items()
    }
    assert searchable["adam"] == {"learning_rate", "weight_decay"}
    assert searchable["huber"] == {"delta"}
    assert searchable["correlation"] == {"at_least"}
    assert searchable["consistency"] == searchable["mean_squared_error"] == set()


# What it may say


@pytest.mark.parametrize(
    ("value", "at", "expected"),
    [
        ({"low": 2, "high": 1}, "", "low < high (a fixed value is written as a plain number)"),
        ({"low": -1, "high": 1}, ".low", "at least 0"),
        ({"low": 1}, ".high", "a value (the field is required)"),
        ({"low": 1, "high": "2"}, ".high", "a number"),
        ({"low": 1, "high": 2, "point": 3}, ".point", "one of the fields current, high, low, points, scale, schedule"),
        ({"values": [1]}, ".values", "at least 2 items"),
        ({"low": 1, "high": 2, "schedule": {}}, ".schedule", "nothing: only weights have schedules"),
    ],
)
def test_a_faulty_range_is_reported_at_its_place(value: Any, at: str, expected: str) -> None:
    assert fault_at({RATE: value}, f"{RATE}{at}").expected == expected
    fault = only(own(temperature=value), f"tasks.0.losses.1.config.temperature{at}", PUBLISHED)
    assert fault.expected == expected


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ({"low": 0.1, "high": 2.0}, "high"),
        ({"values": [0.5, 1.0]}, "values.1"),
        ({"low": 0.1, "high": 0.9, "current": 1.0}, "current"),
        ({"low": 0.0, "high": 0.9}, "low"),
    ],
)
def test_a_range_stays_within_what_the_argument_may_be(value: Any, at: str) -> None:
    loss = {"name": "robust", "loss": "categorical_generalized_cross_entropy", "config": {"q": value}}
    fault = only(changed(flagship(), {"tasks.0.losses.1": loss}), f"tasks.0.losses.1.config.q.{at}")
    assert fault.expected == "number > 0 and < 1"


def test_faults_of_ranges_and_of_all_else_are_reported_at_once() -> None:
    document = changed(focal({"low": 2, "high": 1}), {"search.trials": 0, RATE: {"low": -1, "high": 1}})
    assert set(faults_of(document)) == {"tasks.1.losses.1.config.gamma", "search.trials", f"{RATE}.low"}


# What else it touches


@pytest.mark.parametrize("strategy", [{}, {"strategy": "constraint", "at_most": 1.0}])
def test_an_objective_does_not_name_a_term_that_changes_with_what_is_searched(strategy: Document) -> None:
    document = changed(focal(log_range(0.5, 5)), {"objective.metrics.2": {"metric": "parity.focal", **strategy}})
    assert only(document, "objective.metrics.2.metric").expected == (
        "an unweighted number that does not depend on what is searched: parity.focal has another value under another gamma for the "
        "same model, so judging by it would only find the gamma that makes it small"
    )


def test_violations_of_a_penalty_that_changes_with_what_is_searched_judge_nothing_either() -> None:
    document = ads(**{"objective.metrics.0": {"metric": "rising.violations"}})
    document["penalties"] = [{"name": "rising", "penalty": "monotone", "config": {"slope": log_range(0.5, 5)}}]
    assert only(document, "objective.metrics.0.metric", PUBLISHED).got == "'rising.violations'"


def test_a_term_that_changes_with_what_is_searched_may_be_stored_with_the_objective() -> None:
    stored = {"metric": "parity.focal", "strategy": "store"}
    assert define(changed(focal(log_range(0.5, 5)), {"objective.metrics.2": stored}))


def test_searched_arguments_alone_are_no_study_of_weights() -> None:
    document = changed(flagship(), {"tasks.1.losses.0.weight": 1.0, "penalties.0.weight": 1.0, RATE: RATES})
    assert only(document, "tasks").got == "only fixed weights"


def test_a_simplex_is_of_weights_alone() -> None:
    definition = define(changed(flagship(), {"search.space": "simplex", RATE: RATES}))
    assert definition.search.space.simplex == ("parity.crossentropy", "agreement")  # type: ignore[union-attr]
    used = SearchSpace(definition).used_weights({"parity.crossentropy": 3.0, "agreement": 1.0, "optimizer.learning_rate": 0.001})
    assert used == {"digit.crossentropy": 1.0, "parity.crossentropy": 0.75, "agreement": 0.25}


def test_a_member_of_a_simplex_is_no_argument() -> None:
    simplex = {"simplex": ["parity.crossentropy", "optimizer.learning_rate"]}
    assert only(changed(flagship(), {"search.space": simplex, RATE: RATES}), "search.space.simplex.1")


def test_a_name_that_the_optimizer_s_parameters_bear_is_refused() -> None:
    document = changed(ads(), {"tasks.1.name": "optimizer", RATE: RATES})
    assert only(document, "tasks.1.name").expected == "another name: `optimizer.*` are the searched arguments of the optimizer"


def test_the_advice_on_trials_counts_every_parameter() -> None:
    definition = define(changed(flagship(), {RATE: RATES, "search.trials": 20}))
    text = "3 searched parameters for 20 trials: ten trials or more per searched parameter give the sampler a chance"
    assert text in cautions(ValidationContext(parts_of(definition), UNPUBLISHED), 20)


def test_a_current_that_the_search_cannot_draw_is_reported() -> None:
    definition = define(changed(flagship(), {RATE: {**RATES, "current": 0.1}}))
    text = f"{RATE}: current 0.1 is not among what may be drawn, so the search cannot come back to it"
    assert text in cautions(ValidationContext(parts_of(definition), UNPUBLISHED), 99)


# Grids


def grid(**changes: Any) -> Document:
    weights = {"tasks.1.losses.0.weight": log_range(points=3), "penalties.0.weight": 1.0}
    return changed(flagship(), {**weights, "search.sampler.name": "grid", "search.trials": None, **changes})


def test_a_grid_needs_points_of_arguments_too() -> None:
    assert only(grid(**{RATE: RATES}), f"{RATE}.points").expected == "a number of points: the sampler is grid"


def test_a_grid_has_every_pair_of_weight_and_argument() -> None:
    definition = define(grid(**{RATE: {**RATES, "points": 3}}))
    assert definition.search.trials == 9
    points = [tuple(SearchSpace(definition).grid_point(i).values()) for i in range(9)]
    assert points == [pytest.approx((weight, rate)) for weight in (0.01, 1, 100) for rate in (1e-4, 1e-3, 1e-2)]


def test_another_number_of_trials_than_points_is_refused() -> None:
    assert only(grid(**{RATE: {**RATES, "points": 3}, "search.trials": 3}), "search.trials").expected.startswith("9 ")


def test_the_lattice_of_a_simplex_is_of_weights_alone() -> None:
    weights = {"tasks.1.losses.0.weight": log_range(points=5), "penalties.0.weight": log_range(points=5)}
    definition = define(grid(**weights, **{"search.space": "simplex", RATE: {**RATES, "points": 2}}))
    assert definition.search.trials == 6  # 1/4, 2/4 or 3/4 for the one, the rest for the other, at each of two rates
    assert {SearchSpace(definition).grid_point(i)["optimizer.learning_rate"] for i in range(6)} == {1e-4, 1e-2}


def test_a_grid_has_no_points_of_searched_fractions() -> None:
    weight = log_range(points=3, schedule={"fraction": {"low": 0.1, "high": 0.5}})
    fault = only(grid(**{"tasks.1.losses.0.weight": weight}), "tasks.1.losses.0.weight.schedule.fraction")
    assert fault.expected == "a number: a grid has no points of a range of fractions"


def test_a_grid_tries_every_shape_of_a_schedule() -> None:
    weight = log_range(points=3, schedule={"shape": ["linear", "cosine"]})
    assert define(grid(**{"tasks.1.losses.0.weight": weight})).search.trials == 6


# From a POST to a trial


def test_a_range_is_echoed_with_its_scale_and_read_back_as_it_was() -> None:
    definition = define(changed(flagship(), {RATE: {"low": 0, "high": 1, "current": None}}))
    assert definition.training.optimizer.config == {"learning_rate": {"low": 0.0, "high": 1.0, "scale": "linear"}}
    assert normalize.from_storage(normalize.to_storage(definition), trials=32, name=definition.name) == definition


def test_a_range_hashes_alike_however_it_is_written() -> None:
    written = [{"low": 1, "high": 2}, {"high": 2.0, "low": 1.0, "scale": "log", "points": None}]
    hashes = {normalize.definition_sha256(define(changed(flagship(), {RATE: each}))) for each in written}
    assert len(hashes) == 1


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_samplers_draw_arguments_within_their_ranges(sampler: str) -> None:
    definition = define(changed(focal({"values": [0, 1, 2]}), {"search.sampler.name": sampler, RATE: RATES}))
    for drawn in suggest(definition, [], DrawIndex(number=0, index=0), 8):
        taken = SearchSpace(definition).drawn_arguments(drawn.parameters)
        assert list(taken) == ["parity.focal.gamma", "optimizer.learning_rate"]
        assert taken["parity.focal.gamma"] in (0, 1, 2)
        assert 1e-4 <= taken["optimizer.learning_rate"] <= 1e-2


def test_a_learning_rate_is_drawn_on_a_log_scale() -> None:
    definition = define(changed(flagship(), {"search.sampler.name": "qmc", RATE: RATES}))
    drawn = [each.parameters["optimizer.learning_rate"] for each in suggest(definition, [], DrawIndex(number=0, index=0), 64)]
    assert sum(map(math.log10, drawn)) / 64 == pytest.approx(-3, abs=0.05)


def test_arguments_of_a_loss_named_like_a_schedule_are_found() -> None:
    document = changed(flagship(), {"tasks.0.losses.1": {"name": "schedule", "loss": "huber", "config": {"delta": log_range()}}})
    definition = define(document)
    assert SearchSpace(definition).drawn_arguments({"digit.schedule.delta": 0.5, "agreement": 1.0}) == {"digit.schedule.delta": 0.5}


def test_a_settled_definition_has_numbers_in_place_of_ranges() -> None:
    definition = define(changed(focal(log_range(), alpha=0.5), {RATE: RATES}))
    settled = searched_arguments.substitute(definition, {"parity.focal.gamma": 1.5, "optimizer.learning_rate": 0.002})
    assert settled.tasks[1].losses[1].config == {"gamma": 1.5, "alpha": 0.5}
    assert settled.training.optimizer.config == {"learning_rate": 0.002}
    assert settled.tasks[1].losses[0] == definition.tasks[1].losses[0]


def test_the_name_of_a_searched_argument_must_be_short_enough_to_be_kept() -> None:
    name = "t" * 31
    fault = only(own(**{name: log_range(0.5, 8)}), f"tasks.0.losses.1.config.{name}", PUBLISHED)
    assert fault.expected.startswith("a name of at most 30 characters")
