"""Judging stored trials anew: another objective, the front of a study, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search.analysis.reranking import judged_by, ranked, under, winner
from search.definition.schema import Objective, StudyDefinition
from search.errors import Fault, InvalidDefinition
from search.objective.fronts import pareto_front
from tests.search.definitions import changed, define, flagship

NAN, INF = math.nan, math.inf
DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"


def study(**changes: Any) -> StudyDefinition:
    return define(changed(flagship(), {path.replace("__", "."): value for path, value in changes.items()}))


def wanted(*metrics: Any, **fields: Any) -> Objective:
    entries = [{"metric": metric} if isinstance(metric, str) else metric for metric in metrics]
    return Objective.model_validate({"metrics": entries, **fields})


def refused(objective: Objective) -> list[Fault]:
    with pytest.raises(InvalidDefinition) as error:
        judged_by(study(), objective, None)
    return list(error.value.faults)


def plain(*paths: str, aggregate: str = "mean", **bounds: float) -> Objective:
    """Return a normalised objective that maximises these paths, and holds others at least so high."""
    entries = [{"metric": path, "direction": "maximize"} for path in paths]
    entries += [{"metric": path, "direction": "maximize", "strategy": "constraint", "at_least": b} for path, b in bounds.items()]
    return Objective.model_validate({"metrics": entries, "aggregate": aggregate})


# Another objective


def test_directions_and_the_aggregate_s_config_are_filled_in() -> None:
    objective = judged_by(study(), wanted(DIGIT, "agreement", aggregate="tchebycheff"), None)
    assert [entry.direction for entry in objective.metrics] == ["maximize", "minimize"]
    assert objective.config == {"ideal": {DIGIT: 1.0, "agreement": 0.0}}


def test_any_stored_term_may_be_an_objective() -> None:
    assert judged_by(study(), wanted("digit.crossentropy"), None).aggregate == "mean"


def test_a_metric_that_is_not_stored_is_refused_with_the_one_that_was_meant() -> None:
    (fault,) = refused(wanted("digit.sparse_categorical_acuracy"))
    assert (fault.path, fault.did_you_mean) == ("objective.metrics.0.metric", DIGIT)


@pytest.mark.parametrize("name", ["loss", "val_loss", "digit_loss"])
def test_a_weighted_loss_is_refused_and_told_why(name: str) -> None:
    assert "depends on the searched weights" in refused(wanted(name))[0].expected


def test_all_faults_are_told_at_once() -> None:
    faults = refused(wanted("digit.x", "parity.y", aggregate="wrost"))
    assert [fault.path for fault in faults] == [
        "objective.aggregate",
        "objective.metrics.0.metric",
        "objective.metrics.1.metric",
    ]


@pytest.mark.parametrize(("given", "epoch"), [({}, "best"), ({"epoch": "last"}, "last")])
def test_the_epoch_is_the_study_s_unless_it_is_said(given: dict[str, str], epoch: str) -> None:
    assert judged_by(study(objective__epoch="best"), wanted(DIGIT, **given), None).epoch == epoch


def test_under_another_aggregate_the_metrics_stay() -> None:
    definition = study()
    objective = under(definition, "worst", None)
    assert (objective.aggregate, objective.metrics) == ("worst", definition.objective.metrics)


def test_under_its_own_aggregate_the_config_stays_and_under_another_it_is_the_usual() -> None:
    definition = study(objective__aggregate="tchebycheff", objective__config={"ideal": {DIGIT: 0.5}})
    assert under(definition, "tchebycheff", None).config == {"ideal": {DIGIT: 0.5, PARITY: 1.0}}
    assert under(definition, "smooth_tchebycheff", None).config == {"ideal": {DIGIT: 1.0, PARITY: 1.0}, "mu": 0.1}
    assert under(definition, "mean", None).config == {}


# The order


def test_trials_are_ranked_feasible_first_then_by_value_then_by_number() -> None:
    measured = {
        4: {"a": 0.9, "b": 0.1},  # infeasible
        3: {"a": 0.5, "b": 1.0},
        2: {"a": NAN, "b": 1.0},
        1: {"a": 0.7, "b": 1.0},
        0: {"a": 0.5, "b": 1.0},
    }
    found = ranked(plain("a", b=0.5), measured)
    assert [number for number, _ in found] == [1, 0, 3, 2, 4]
    assert winner(found) == 1
    assert found[-1][1].violations == {"b": pytest.approx(0.4)}


@pytest.mark.parametrize("measured", [{}, {0: {"a": NAN}}, {0: {}}, {0: {"a": INF}}, {0: {"a": 1.0, "b": 0.0}}])
def test_without_a_feasible_trial_of_finite_value_none_wins(measured: dict[int, dict[str, float]]) -> None:
    bounds = {"b": 0.5} if any("b" in values for values in measured.values()) else {}
    assert winner(ranked(plain("a", **bounds), measured)) is None


# The front


def test_the_front_of_a_study_by_hand() -> None:
    measured = {
        0: {"a": 0.9, "b": 0.1},
        1: {"a": 0.8, "b": 0.8},
        2: {"a": 0.7, "b": 0.7},  # beaten by 1
        3: {"a": 0.1, "b": 0.9},
        4: {"a": 1.0, "b": NAN},
        5: {"a": 1.0},
        6: {"a": INF, "b": 1.0},
    }
    found = pareto_front(plain("a", "b"), measured)
    assert dict(found.trials) == {number: measured[number] for number in (0, 1, 3)}
    assert found.reference == {"a": 0.1, "b": 0.1}
    assert found.hypervolume == pytest.approx(0.7 * 0.7)  # the ends lie on the reference's edges
    assert found.picks == {"knee": 1, "nearest_ideal": 1}
    assert (found.best_in("a"), found.best_in("b")) == (0, 3)


def test_a_trial_that_breaks_a_constraint_is_not_on_the_front_but_bounds_it() -> None:
    measured = {0: {"a": 1.0, "b": 0.0, "c": 0.0}, 1: {"a": 0.5, "b": 0.5, "c": 1.0}}
    found = pareto_front(plain("a", "b", c=0.5), measured)
    assert list(found.trials) == [1]
    assert found.reference == {"a": 0.5, "b": 0.0}


def test_a_reference_point_that_is_given_replaces_the_worst_values() -> None:
    found = pareto_front(plain("a", "b"), {0: {"a": 0.5, "b": 0.25}}, {"a": 0.0})
    assert found.reference == {"a": 0.0, "b": 0.25}
    assert pareto_front(plain("a", "b"), {0: {"a": 0.5, "b": 0.25}}, {"a": 0.0, "b": 0.0}).hypervolume == pytest.approx(0.125)


def test_without_a_trial_the_front_is_empty() -> None:
    found = pareto_front(plain("a", "b"), {})
    assert (found.trials, found.reference, found.hypervolume) == ({}, {}, 0.0)
    assert (found.picks, found.best_in("a")) == ({"knee": None, "nearest_ideal": None}, None)


def test_what_is_minimised_is_better_when_less() -> None:
    entries = [{"metric": "a", "direction": "maximize"}, {"metric": "e", "direction": "minimize"}]
    objective = Objective.model_validate({"metrics": entries, "aggregate": "mean"})
    found = pareto_front(objective, {0: {"a": 0.5, "e": 0.1}, 1: {"a": 0.5, "e": 0.2}, 2: {"a": 0.9, "e": 0.9}})
    assert list(found.trials) == [0, 2]
    assert found.reference == {"a": 0.5, "e": 0.9}
    assert found.best_in("e") == 0


@pytest.mark.parametrize(("metrics", "trials"), [(7, 3), (2, 201)])
def test_no_hypervolume_of_more_metrics_or_trials_than_it_is_worked_out_for(metrics: int, trials: int) -> None:
    paths = [f"m{i}" for i in range(metrics)]
    measured = {n: {path: float(n if i else -n) for i, path in enumerate(paths)} for n in range(trials)}
    found = pareto_front(plain(*paths), measured)
    assert (len(found.trials), found.hypervolume) == (trials, None)
