"""What must hold where an objective is relative: references of delta_m, bounds, and a front's metrics and sampler."""

from __future__ import annotations

from typing import Any

import pytest

from search.validation.normalize import definition_sha256, normalise
from tests.search.definitions import PUBLISHED, Document, changed, define, faults_of, flagship, log_range, only, study

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"


def judged(aggregate: str, *metrics: str | dict[str, Any], **config: Any) -> Document:
    """Return the flagship judged by these metrics."""
    entries = [{"metric": metric} if isinstance(metric, str) else metric for metric in metrics]
    return changed(flagship(), {"objective": {"metrics": entries, "aggregate": aggregate, "config": config}})


def bounded(metric: str, of: str, side: str = "at_least") -> Document:
    bound = {"metric": metric, "strategy": "constraint", side: {"of": of, "times": 0.98}}
    return judged("mean", DIGIT, bound)


# The references of delta_m


def test_references_may_be_given() -> None:
    config = define(judged("delta_m", DIGIT, PARITY, references={DIGIT: 1, PARITY: 0.5})).objective.config
    assert config == {"references": {DIGIT: 1.0, PARITY: 0.5}}


def test_references_that_are_not_given_are_measured() -> None:
    assert define(judged("delta_m", DIGIT, PARITY)).objective.config == {}
    assert define(judged("delta_m", DIGIT, PARITY, references={DIGIT: 0.9})).objective.config == {"references": {DIGIT: 0.9}}


def test_a_reference_may_be_given_for_a_metric_of_every_task() -> None:
    document = changed(study({"low": 1, "high": 2}, 1.0), {"objective.aggregate": "delta_m"})
    document["objective"]["config"] = {"references": {"*.mse": 0.5, "t1.mse": 0.25}}
    assert define(document).objective.config == {"references": {"t0.mse": 0.5, "t1.mse": 0.25}}


def test_no_references_however_it_is_said_is_the_same_study() -> None:
    hashes = {definition_sha256(define(judged("delta_m", DIGIT, PARITY, **config))) for config in ({}, {"references": {}})}
    assert len(hashes) == 1


def test_a_reference_of_an_unknown_metric_is_refused_with_the_one_that_was_meant() -> None:
    fault = only(
        judged("delta_m", DIGIT, PARITY, references={"parity.binary_acuracy": 1}),
        "objective.config.references.parity.binary_acuracy",
    )
    assert fault.did_you_mean == PARITY


@pytest.mark.parametrize("value", [0, 0.0, True, "0.9", None])
def test_a_reference_is_a_number_that_changes_can_be_relative_to(value: Any) -> None:
    fault = only(judged("delta_m", DIGIT, PARITY, references={DIGIT: value}), f"objective.config.references.{DIGIT}")
    assert "number" in fault.expected


@pytest.mark.parametrize("references", [1, [0.9], "all"])
def test_references_are_an_object(references: Any) -> None:
    assert only(judged("delta_m", DIGIT, references=references), "objective.config.references").expected.startswith("an object")


@pytest.mark.parametrize("metric", ["agreement", "agreement.violations"])
def test_a_penalty_has_no_task_that_could_be_trained_alone(metric: str) -> None:
    fault = only(judged("delta_m", DIGIT, metric), "objective.metrics.1.metric")
    assert fault.got == f"{metric}, which belongs to a penalty"
    assert "objective.metrics.1.metric" in faults_of(judged("delta_m", DIGIT, metric, references={metric: 0.5}))


def test_a_loss_of_a_task_can_be_trained_alone() -> None:
    assert define(judged("delta_m", DIGIT, "parity.crossentropy")).objective.aggregate == "delta_m"


def lossless(**config: Any) -> Document:
    document = judged("delta_m", DIGIT, PARITY, **config)
    document["tasks"][1]["losses"] = []
    return document


def test_a_task_that_only_a_penalty_trains_has_no_reference() -> None:
    assert only(lossless(), "objective.metrics.1.metric").got == f"{PARITY}, whose task has no losses"


def test_a_task_without_losses_is_judged_by_a_reference_that_is_given() -> None:
    assert define(lossless(references={PARITY: 0.5})).objective.config == {"references": {PARITY: 0.5}}


def test_only_what_is_optimised_needs_a_reference() -> None:
    kept = {"metric": "agreement.violations", "strategy": "constraint", "at_most": 0.1}
    assert define(judged("delta_m", DIGIT, PARITY, kept, {"metric": "agreement", "strategy": "store"}))


def test_of_a_star_without_references_one_fault_is_reported() -> None:
    document = changed(study(log_range(), 1.0), {"objective.aggregate": "delta_m"})
    for task in document["tasks"]:
        task["losses"] = []
    document["penalties"] = [
        {"name": "p", "penalty": "consistency", "between": [{"task": "t0"}, {"task": "t1"}], "weight": log_range()}
    ]
    assert list(faults_of(document)) == ["objective.metrics.0.metric"]


# Relative bounds


@pytest.mark.parametrize("metric", [PARITY, "parity.crossentropy"])
@pytest.mark.parametrize("of", ["reference", "equal", "current"])
def test_what_belongs_to_a_task_may_be_bound_to_any_measurement(metric: str, of: str) -> None:
    assert define(bounded(metric, of)).objective.metrics[1].at_least is not None


@pytest.mark.parametrize("side", ["at_least", "at_most"])
@pytest.mark.parametrize("metric", ["agreement", "agreement.violations"])
def test_a_penalty_has_no_reference_to_be_bound_to(metric: str, side: str) -> None:
    fault = only(bounded(metric, "reference", side), f"objective.metrics.1.{side}.of")
    assert fault.got == f"reference for {metric}, which belongs to a penalty"
    assert define(bounded(metric, "equal", side))


def test_a_task_without_losses_has_no_reference_to_be_bound_to() -> None:
    document = bounded(PARITY, "reference")
    document["tasks"][1]["losses"] = []
    assert only(document, "objective.metrics.1.at_least.of").got == f"reference for {PARITY}, whose task has no losses"


def test_a_bound_of_the_weights_of_today_needs_some() -> None:
    document = changed(bounded(PARITY, "current"), {"tasks.1.losses.0.weight": log_range()})
    assert only(document, "objective.metrics.1.at_least.of").got == "current, and none has"
    assert define(changed(document, {"penalties.0.weight": log_range(current=1.0)}))


# A front


def front(*metrics: str, **changes: Any) -> Document:
    return changed(judged("pareto", *metrics), changes)


def test_a_front_has_two_metrics_at_least() -> None:
    assert only(front(DIGIT), "objective.metrics").got == f"{DIGIT} alone"
    star = changed(study(log_range()), {"objective.aggregate": "pareto"})
    assert only(star, "objective.metrics").got == "t0.mse alone"
    assert define(front(DIGIT, PARITY)).objective.config == {}
    assert define(changed(study(log_range(), 1.0), {"objective.aggregate": "pareto"})).objective.aggregate == "pareto"


def test_a_front_has_no_best_epoch() -> None:
    assert only(front(DIGIT, PARITY, **{"objective.epoch": "best"}), "objective.epoch").got == "'best'"


def test_a_sampler_that_follows_one_value_is_refused_for_a_front() -> None:
    fault = only(front(DIGIT, PARITY, **{"search.sampler.name": "cmaes"}), "search.sampler.name")
    assert fault.expected == (
        "one of gp, grid, nsga2, nsga3, qmc, random, tpe with pareto: cmaes follows one value, and a front has none"
    )


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "nsga3", "random", "qmc"])
def test_any_other_sampler_may_search_a_front(sampler: str) -> None:
    assert define(front(DIGIT, PARITY, **{"search.sampler.name": sampler})).search.sampler.name == sampler


# Generations


@pytest.mark.parametrize(("trials", "warned"), [(32, True), (79, True), (80, False)])
@pytest.mark.parametrize("sampler", ["nsga2", "nsga3"])
def test_a_genetic_search_of_few_generations_is_warned_of(sampler: str, trials: int, *, warned: bool) -> None:
    document = front(DIGIT, PARITY, **{"search.sampler.name": sampler, "search.trials": trials})
    warnings = [warning for warning in normalise(document, workloads=PUBLISHED).warnings if "generations of 16" in warning]
    assert bool(warnings) is warned


def test_a_smaller_generation_leaves_room_for_more_of_them() -> None:
    sampler = {"name": "nsga2", "config": {"population_size": 6}}
    document = front(DIGIT, PARITY, **{"search.sampler": sampler})
    assert not [warning for warning in normalise(document, workloads=PUBLISHED).warnings if "generations" in warning]


@pytest.mark.parametrize("size", [1, 201])
def test_a_generation_fits_into_what_a_sampler_observes(size: int) -> None:
    sampler = {"name": "nsga2", "config": {"population_size": size}}
    assert only(front(DIGIT, PARITY, **{"search.sampler": sampler}), "search.sampler.config.population_size")
