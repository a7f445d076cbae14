"""What must hold between the parts of a definition: every refusal, and that all are reported at once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search.errors import InvalidDefinition
from search.validation.normalize import normalise
from tests.search.definitions import (
    ADS,
    PUBLISHED,
    UNPUBLISHED,
    Document,
    ads,
    changed,
    define,
    faults_of,
    flagship,
    log_range,
    only,
    study,
)

METRIC = "objective.metrics.0.metric"


# The objective


@pytest.mark.parametrize(
    "name", ["loss", "val_loss", "total", "val_total", "objective", "total_loss", "digit_loss", "val_digit_loss", "digit.loss"]
)
def test_a_weighted_number_is_no_objective_and_the_fault_says_why(name: str) -> None:
    fault = only(changed(flagship(), {METRIC: name}), METRIC)
    assert "depends on the searched weights" in fault.expected
    assert fault.got == repr(name)


def test_a_penalty_s_or_a_term_s_own_name_may_end_like_a_loss() -> None:
    document = changed(flagship(), {"penalties.0.name": "agreement_loss", "tasks.0.losses.0.name": "ce_loss"})
    document["objective"]["metrics"] = [{"metric": "agreement_loss"}, {"metric": "digit.ce_loss"}]
    assert [entry.metric for entry in define(document).objective.metrics] == ["agreement_loss", "digit.ce_loss"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("digit.sparse_categorical_acuracy", "digit.sparse_categorical_accuracy"),
        ("parity.binary_acc", "parity.binary_accuracy"),
        ("agreement.violation", "agreement.violations"),
        ("sparse_categorical_accuracy", "digit.sparse_categorical_accuracy"),
        ("zzz", None),
    ],
)
def test_an_undeclared_metric_is_refused_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    fault = only(changed(flagship(), {METRIC: name}), METRIC)
    assert fault.did_you_mean == meant
    assert "digit.sparse_categorical_accuracy" in fault.expected


@pytest.mark.parametrize("name", ["digit.crossentropy", "agreement", "agreement.violations"])
def test_every_raw_term_and_violation_is_a_metric(name: str) -> None:
    assert define(changed(flagship(), {METRIC: name})).objective.metrics[0].metric == name


@pytest.mark.parametrize("penalty", ["covariance", "correlation"])
def test_a_batch_statistic_has_no_violations(penalty: str) -> None:
    document = changed(flagship(), {"penalties.0.penalty": penalty, METRIC: "agreement.violations"})
    assert "a declared metric" in only(document, METRIC).expected


def test_a_star_that_matches_nothing_is_refused() -> None:
    assert only(changed(flagship(), {METRIC: "*.auc"}), METRIC).got == "'*.auc'"


@pytest.mark.parametrize("second", ["t0.mse", "*.mse"])
def test_a_metric_counts_once_by_name_or_star(second: str) -> None:
    document = changed(study(log_range(), 1.0), {"objective.metrics.1": {"metric": second}})
    fault = only(document, "objective.metrics.1.metric")
    assert fault.expected == "each metric once"


def test_several_optimised_metrics_need_an_aggregate() -> None:
    document = flagship()
    del document["objective"]["aggregate"]
    fault = only(document, "objective.aggregate")
    names = "delta_m, geometric_mean, mean, pareto, smooth_tchebycheff, tchebycheff, worst"
    assert fault.expected == f"one of {names}: with several optimised metrics it decides which trial wins"


def test_a_star_needs_an_aggregate() -> None:
    document = study(log_range(), 1.0)
    del document["objective"]["aggregate"]
    assert set(faults_of(document)) == {"objective.aggregate"}


def test_one_optimised_metric_beside_constraints_needs_no_aggregate() -> None:
    constraint = {"metric": "parity.binary_accuracy", "strategy": "constraint", "at_least": 0.9}
    document = changed(flagship(), {"objective.metrics.1": constraint})
    del document["objective"]["aggregate"]
    assert define(document).objective.aggregate == "mean"


def test_a_misspelt_aggregate_is_refused_with_the_one_that_was_meant() -> None:
    assert only(changed(flagship(), {"objective.aggregate": "wrost"}), "objective.aggregate").did_you_mean == "worst"


def test_something_is_optimised() -> None:
    metrics = [{"metric": "digit.crossentropy", "strategy": "store"}]
    document = changed(flagship(), {"objective.metrics": metrics})
    assert only(document, "objective.metrics").expected == "at least one metric with strategy optimize"


# Names of losses, metrics, penalties, optimizers, samplers, workloads


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        ("tasks.0.losses.0.loss", "sparse_categorical_crossentrpy", "sparse_categorical_crossentropy"),
        ("penalties.0.penalty", "consistancy", "consistency"),
        ("training.optimizer.name", "adm", "adam"),
        ("search.sampler.name", "tpee", "tpe"),
        ("workload.name", "digit", "digits"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(path: str, name: str, meant: str) -> None:
    fault = only(changed(flagship(), {path: name}), path)
    assert (fault.did_you_mean, fault.got) == (meant, repr(name))


def test_an_unknown_metric_is_refused_with_the_one_that_was_meant() -> None:
    metric = {"name": "right", "metric": "binary_acuracy"}
    document = changed(flagship(), {"tasks.1.metrics.1": metric})
    assert only(document, "tasks.1.metrics.1.metric").did_you_mean == "binary_accuracy"


@pytest.mark.parametrize(
    ("path", "config", "at"),
    [
        ("tasks.1.losses.0.config", {"label_smoothng": 0.1}, "label_smoothng"),
        ("tasks.1.losses.0.config", {"from_logits": True}, "from_logits"),
        ("penalties.0.config", {"form": "square"}, "form"),
        ("training.optimizer.config", {"learning_rate": "0.1"}, "learning_rate"),
        ("search.sampler.config", {"n_startup_trials": True}, "n_startup_trials"),
        ("search.sampler.config", {"seed": 1}, "seed"),
    ],
)
def test_a_config_is_checked_against_the_catalog(path: str, config: Document, at: str) -> None:
    assert set(faults_of(changed(flagship(), {path: config}))) == {f"{path}.{at}"}


def test_names_of_the_workload_s_own_terms_are_believed_until_it_is_described() -> None:
    document = ads(**{"tasks.0.losses.0.loss": "margn", "tasks.0.metrics.1": {"name": "l", "metric": "lft"}})
    assert normalise(document, workloads=UNPUBLISHED).warnings


def test_names_of_the_workload_s_own_terms_are_checked_once_it_is_described() -> None:
    document = ads(**{"tasks.0.losses.0.loss": "margn", "tasks.0.metrics.1": {"name": "l", "metric": "lft"}})
    document["penalties"] = [{"name": "p", "penalty": "monotne"}]
    faults = faults_of(document, PUBLISHED)
    assert faults["tasks.0.losses.0.loss"].did_you_mean == "margin"
    assert faults["penalties.0.penalty"].did_you_mean == "monotone"
    assert set(faults) == {"tasks.0.losses.0.loss", "penalties.0.penalty", "tasks.0.metrics.1.metric"}


def test_the_workload_s_own_terms_are_taken_with_any_config() -> None:
    own = {"name": "lift", "metric": "lift", "direction": "maximize", "config": {"at": 3}}
    document = ads(**{"tasks.0.losses.0.loss": "margin", "tasks.0.losses.0.config": {"m": 1}, "tasks.0.metrics.1": own})
    document["penalties"] = [{"name": "p", "penalty": "monotone", "config": {"sign": "up"}, "weight": 0.1}]
    assert define(document, PUBLISHED).penalties[0].between is None


def test_an_own_metric_goes_before_the_catalog_s_of_that_name() -> None:
    workloads = {"ads": {**ADS, "metrics": ["auc"]}}
    document = ads(**{"tasks.0.metrics.1": {"name": "auc", "metric": "auc", "config": {"at": 3}, "direction": "minimize"}})
    assert define(document, workloads).tasks[0].metrics[1].direction == "minimize"


def test_an_own_penalty_reads_the_batch_itself() -> None:
    document = ads()
    document["penalties"] = [{"name": "p", "penalty": "monotone", "between": [{"task": "click"}, {"task": "buy"}]}]
    assert "the workload's own" in only(document, "penalties.0.between", PUBLISHED).expected


@pytest.mark.parametrize("where", ["task", "objective"])
def test_an_own_metric_in_the_objective_needs_a_direction(where: str) -> None:
    document = ads(**{"tasks.0.metrics.0": {"name": "lift", "metric": "lift"}, METRIC: "click.lift"})
    expected = "maximize or minimize: the catalog does not know which way this metric is better"
    assert only(document, "objective.metrics.0.direction", PUBLISHED).expected == expected
    given = "tasks.0.metrics.0.direction" if where == "task" else "objective.metrics.0.direction"
    assert define(changed(document, {given: "maximize"}), PUBLISHED).objective.metrics[0].direction == "maximize"


@pytest.mark.parametrize("between", [None, []])
def test_a_built_in_penalty_needs_two_sides(between: Any) -> None:
    assert set(faults_of(changed(flagship(), {"penalties.0.between": between}))) == {"penalties.0.between"}


def test_a_workload_s_options_are_those_it_published() -> None:
    fault = only(changed(flagship(), {"workload.options.hiden": 3}), "workload.options.hiden", PUBLISHED)
    assert (fault.expected, fault.did_you_mean) == ("one of the options hidden", "hidden")


# Names that are borne


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tasks.1.name": "digit"}, "tasks.1.name"),
        ({"penalties.0.name": "digit"}, "penalties.0.name"),
        ({"tasks.0.metrics.0": {"name": "crossentropy", "metric": "accuracy"}}, "tasks.0.metrics.0.name"),
        ({"tasks.0.metrics.1": "sparse_categorical_accuracy"}, "tasks.0.metrics.1.name"),
        (
            {"tasks.0.losses.1": {"name": "crossentropy", "loss": "sparse_categorical_crossentropy"}},
            "tasks.0.losses.1.name",
        ),
        (
            {"penalties.1": {**flagship()["penalties"][0], "penalty": "implication"}},
            "penalties.1.name",
        ),
    ],
)
def test_a_name_is_borne_once(changes: Document, path: str) -> None:
    assert path in faults_of(changed(flagship(), changes))


def test_two_tasks_may_have_losses_of_one_name() -> None:
    names = [loss.name for part in define(flagship()).tasks for loss in part.losses]
    assert names == ["crossentropy", "crossentropy"]


# Weights


def test_a_study_without_a_searched_weight_is_refused() -> None:
    fault = only(study(1.0, 2.0), "tasks")
    assert fault.expected.startswith("at least one searched weight")


@pytest.mark.parametrize(("weight", "at"), [("wals", ""), ({"of": "wals"}, ".of")])
def test_an_unknown_shared_weight_is_refused_with_the_one_that_was_meant(weight: Any, at: str) -> None:
    document = study("walls", weight, shared={"walls": log_range()})
    fault = only(document, f"tasks.1.losses.0.weight{at}")
    assert (fault.expected, fault.did_you_mean) == ("a shared weight (walls)", "walls")


def test_a_shared_weight_that_no_term_uses_is_refused() -> None:
    fault = only(study(log_range(), shared={"walls": log_range()}), "weights.walls")
    assert fault.expected == "a shared weight that a term uses"


def test_a_faulty_shared_weight_is_not_called_unknown_too() -> None:
    document = study("walls", log_range(), shared={"walls": {"low": 2, "high": 1}})
    assert set(faults_of(document)) == {"weights.walls"}


# Grids


def test_every_range_of_a_grid_needs_points() -> None:
    document = study("walls", log_range(), shared={"walls": log_range(points=3)}, sampler={"name": "grid"})
    assert only(document, "tasks.1.losses.0.weight.points").expected == "a number of points: the sampler is grid"


def test_a_grid_has_all_its_points_when_trials_are_left_out() -> None:
    document = study(log_range(points=5), {"values": [1, 2, 3]}, sampler={"name": "grid"})
    assert define(document).search.trials == 15


@pytest.mark.parametrize("trials", [14, 16])
def test_any_other_number_of_grid_trials_is_refused(trials: int) -> None:
    document = study(log_range(points=5), {"values": [1, 2, 3]}, sampler={"name": "grid"}, trials=trials)
    fault = only(document, "search.trials")
    assert (fault.expected, fault.got) == ("15 (all points of the grid), or nothing", str(trials))


def test_a_grid_of_more_points_than_the_cap_is_refused() -> None:
    document = study(*[log_range(points=1000)] * 3, sampler={"name": "grid"})
    assert only(document, "search.sampler").got == "1000000000 points"


# Tasks and selectors


def test_a_task_needs_a_loss_or_a_penalty_that_reads_it() -> None:
    document = changed(flagship(), {"tasks.2": {"name": "extra", "metrics": ["mse"]}})
    assert (
        only(document, "tasks.2.losses").expected
        == "a loss (of weight 0.0, where the task is only measured), or a penalty that reads the task"
    )


def test_a_selector_reads_a_task_that_there_is() -> None:
    fault = only(changed(flagship(), {"penalties.0.between.1.task": "parety"}), "penalties.0.between.1.task")
    assert (fault.expected, fault.did_you_mean) == ("a task (digit, parity)", "parity")


def test_the_two_sides_of_a_penalty_differ() -> None:
    document = changed(flagship(), {"penalties.0.between.0": {"task": "parity"}})
    assert only(document, "penalties.0.between").expected == "two different sides"


# All at once


def test_faults_of_form_and_between_parts_are_reported_together() -> None:
    document = changed(
        flagship(),
        {
            "tasks.0.missing": "none",
            "tasks.0.losses.0.loss": "sparse_crossentropy",
            "tasks.0.losses.0.weight": {"low": 2, "high": 1},
            "tasks.1.metrics.1": {"name": "extra", "metric": "binry_accuracy", "direction": "up"},
            "penalties.0.between.1.task": "parety",
            "penalties.0.weight": -1,
            "objective.metrics.0.metric": "val_loss",
            "objective.metrics.0.utility": "2",
            "objective.metrics.1.metric": "parity.acuracy",
            "search.trials": 0,
            "search.sampler.name": "nsga",
            "training.optimizer.name": "adm",
            "training.epochs": "ten",
            "workload.options": [],
            "colour": "red",
        },
    )
    assert set(faults_of(document)) == {
        "tasks.0.missing",
        "tasks.0.losses.0.loss",
        "tasks.0.losses.0.weight",
        "tasks.1.metrics.1.metric",
        "tasks.1.metrics.1.direction",
        "penalties.0.between.1.task",
        "penalties.0.weight",
        "objective.metrics.0.metric",
        "objective.metrics.0.utility",
        "objective.metrics.1.metric",
        "search.trials",
        "search.sampler.name",
        "training.optimizer.name",
        "training.epochs",
        "workload.options",
        "colour",
    }


def test_a_faulty_part_is_not_held_against_those_that_refer_to_it() -> None:
    document = changed(flagship(), {"tasks.0.name": "two words", "penalties.0.name": 3})
    assert set(faults_of(document)) == {"tasks.0.name", "penalties.0.name"}


def test_a_faulty_weight_does_not_leave_a_study_without_searched_weights() -> None:
    document = study({"low": 2, "high": 1}, 1.0)
    assert set(faults_of(document)) == {"tasks.0.losses.0.weight"}


def test_what_is_faulty_in_form_is_not_reported_again_as_unknown() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        normalise(changed(flagship(), {"workload.name": "two words"}), workloads=UNPUBLISHED)
    assert [fault.path for fault in refused.value.faults] == ["workload.name"]


def test_an_argument_that_bears_the_name_of_a_field_is_an_argument() -> None:
    document = changed(flagship(), {"tasks.0.losses.0.config": {"a": {"weight": math.nan}}, "search.trials": 0})
    assert set(faults_of(document)) == {"tasks.0.losses.0.config.a.weight", "search.trials"}


def test_no_tasks_at_all_is_one_fault() -> None:
    assert set(faults_of(changed(flagship(), {"tasks": []}))) == {"tasks"}


def test_an_unknown_baseline_is_refused_with_the_one_that_was_meant() -> None:
    fault = only(changed(flagship(), {"search.baselines": ["equal", "gradnom"]}), "search.baselines.1")
    assert fault.did_you_mean == "gradnorm"


def test_the_users_own_weights_need_not_be_asked_for() -> None:
    assert "equal" in only(changed(flagship(), {"search.baselines": ["current"]}), "search.baselines.0").expected


@pytest.mark.parametrize("rule", ["famo", "imtl_l"])
def test_a_rule_for_positive_losses_is_refused_beside_one_that_can_be_negative(rule: str) -> None:
    document = changed(flagship(), {"search.baselines": ["uncertainty", rule]})
    assert define(document).search.baselines == ("uncertainty", rule)
    fault = only(changed(document, {"tasks.1.losses.0.loss": "cosine_similarity"}), "search.baselines.1")
    assert fault.expected == f"a rule that is defined for negative losses: {rule} is not"
    assert fault.got == "parity.crossentropy (tasks.1.losses.0), which can be negative"
