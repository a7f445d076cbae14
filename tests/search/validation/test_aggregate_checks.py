"""What an aggregate asks of metrics and config, and what is filled in."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search.objective.scoring import evaluate
from search.validation.normalize import definition_sha256, from_storage, to_storage
from tests.search.definitions import PUBLISHED, UNPUBLISHED, Document, changed, define, faults_of, flagship, only, study

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
TCHEBYCHEFF = ["tchebycheff", "smooth_tchebycheff"]


def judged(*metrics: str | dict[str, Any], aggregate: str = "tchebycheff", **config: Any) -> Document:
    """Return the flagship judged by these metrics."""
    entries = [{"metric": metric} if isinstance(metric, str) else metric for metric in metrics]
    return changed(flagship(), {"objective": {"metrics": entries, "aggregate": aggregate, "config": config}})


def with_metrics(document: Document, task: int, *metrics: Any) -> Document:
    document["tasks"][task]["metrics"] += metrics
    return document


@pytest.mark.parametrize("aggregate", TCHEBYCHEFF)
def test_ideals_are_1_for_shares_to_maximise_and_0_for_errors(aggregate: str) -> None:
    config = define(judged(DIGIT, "parity.crossentropy", "agreement", "agreement.violations", aggregate=aggregate)).objective.config
    assert config["ideal"] == {DIGIT: 1.0, "parity.crossentropy": 0.0, "agreement": 0.0, "agreement.violations": 0.0}


def test_the_smooth_form_has_its_mu_echoed() -> None:
    assert define(judged(DIGIT, PARITY, aggregate="smooth_tchebycheff")).objective.config["mu"] == 0.1
    assert define(judged(DIGIT, PARITY, aggregate="smooth_tchebycheff", mu=2)).objective.config["mu"] == 2.0
    assert "mu" not in define(judged(DIGIT, PARITY)).objective.config


def test_an_ideal_that_is_given_goes_first() -> None:
    assert define(judged(DIGIT, PARITY, ideal={DIGIT: 0.98})).objective.config["ideal"] == {DIGIT: 0.98, PARITY: 1.0}


def test_an_ideal_may_be_given_for_a_metric_of_every_task() -> None:
    document = changed(study({"low": 1, "high": 2}, 1.0), {"objective.aggregate": "tchebycheff"})
    document["objective"]["config"] = {"ideal": {"*.mse": 0.5, "t1.mse": 0.25}}
    assert define(document).objective.config["ideal"] == {"t0.mse": 0.5, "t1.mse": 0.25}


def test_ideals_said_or_left_out_are_the_same_study() -> None:
    one, other = (define(judged(DIGIT, PARITY, **config)) for config in ({}, {"ideal": {DIGIT: 1, PARITY: 1}}))
    assert definition_sha256(one) == definition_sha256(other)


@pytest.mark.parametrize("aggregate", ["mean", "worst", "geometric_mean"])
def test_other_aggregates_have_no_config(aggregate: str) -> None:
    assert define(judged(DIGIT, PARITY, aggregate=aggregate)).objective.config == {}
    fault = only(judged(DIGIT, PARITY, aggregate=aggregate, ideal={DIGIT: 1}), "objective.config.ideal")
    assert fault.expected == f"no parameters: {aggregate} has none"


@pytest.mark.parametrize("metric", ["r2_score", "true_positives"])
def test_a_metric_whose_best_is_not_known_needs_an_ideal(metric: str) -> None:
    document = with_metrics(judged(DIGIT, f"parity.{metric}"), 1, metric)
    if metric == "r2_score":
        assert define(document).objective.config["ideal"] == {DIGIT: 1.0, "parity.r2_score": 1.0}  # its range ends at 1
        return
    fault = only(document, f"objective.config.ideal.parity.{metric}")
    assert fault.expected == f"a number, the best value that parity.{metric} can have: the catalog knows none"
    assert fault.got == "nothing"
    document["objective"]["config"] = {"ideal": {f"parity.{metric}": 180}}
    assert define(document).objective.config["ideal"] == {DIGIT: 1.0, f"parity.{metric}": 180.0}


def test_a_metric_of_the_workload_s_own_needs_an_ideal() -> None:
    document = with_metrics(study({"low": 1, "high": 2}, 1.0), 0, {"name": "lift", "metric": "lift", "direction": "maximize"})
    document["tasks"] = [{**task, "name": name} for task, name in zip(document["tasks"], ("click", "buy"), strict=True)]
    document["objective"] = {"metrics": [{"metric": "click.lift"}, {"metric": "buy.mse"}], "aggregate": "tchebycheff"}
    assert list(faults_of(document, PUBLISHED)) == ["objective.config.ideal.click.lift"]


def test_only_optimised_metrics_have_an_ideal() -> None:
    bound = {"metric": "agreement", "strategy": "constraint", "at_most": 0.1}
    assert define(judged(DIGIT, bound)).objective.config["ideal"] == {DIGIT: 1.0}
    fault = only(judged(DIGIT, bound, ideal={"agreement": 0}), "objective.config.ideal.agreement")
    assert fault.expected == f"a metric that the objective optimises ({DIGIT})"


def test_a_misspelt_ideal_is_refused_with_the_one_that_was_meant() -> None:
    path = "objective.config.ideal.parity.binary_acuracy"
    assert only(judged(DIGIT, PARITY, ideal={"parity.binary_acuracy": 1}), path).did_you_mean == PARITY


@pytest.mark.parametrize("value", ["1", None, True, [1], 10**400])
def test_an_ideal_is_a_number(value: Any) -> None:
    assert only(judged(DIGIT, PARITY, ideal={DIGIT: value}), f"objective.config.ideal.{DIGIT}").expected.startswith("a number")


@pytest.mark.parametrize("ideal", [1, "best", [1.0]])
def test_ideals_are_an_object(ideal: Any) -> None:
    assert only(judged(DIGIT, PARITY, ideal=ideal), "objective.config.ideal").expected.startswith("an object")


def test_more_ideals_than_there_can_be_metrics_are_told_once() -> None:
    ideal = {f"a{i}": 0 for i in range(1000)}
    assert only(judged(DIGIT, PARITY, ideal=ideal), "objective.config.ideal").got == "1000"


@pytest.mark.parametrize("mu", [0, -1, "small"])
def test_mu_is_a_number_above_0(mu: Any) -> None:
    assert "objective.config.mu" in faults_of(judged(DIGIT, PARITY, aggregate="smooth_tchebycheff", mu=mu))


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("parity.crossentropy", "is minimised"),
        ("agreement.violations", "is minimised"),
        ({"metric": PARITY, "direction": "minimize"}, "is minimised"),
        ("parity.r2_score", "can be negative"),
        ("parity.cosine_similarity", "can be negative"),
    ],
)
def test_a_geometric_mean_refuses_what_is_minimised_or_can_be_negative(metric: Any, why: str) -> None:
    document = with_metrics(judged(DIGIT, metric, aggregate="geometric_mean"), 1, "r2_score", "cosine_similarity")
    fault = only(document, "objective.metrics.1.metric")
    assert fault.got.endswith(f", which {why}")
    assert fault.expected.startswith("a metric to maximise that is never negative")


def test_a_geometric_mean_does_not_mind_what_is_no_part_of_it() -> None:
    bound = {"metric": "agreement", "strategy": "constraint", "at_most": 0.1}
    document = judged(DIGIT, PARITY, bound, {"metric": "parity.crossentropy", "strategy": "store"}, aggregate="geometric_mean")
    assert define(document, UNPUBLISHED).objective.aggregate == "geometric_mean"


@pytest.mark.parametrize("aggregate", [*TCHEBYCHEFF, "geometric_mean"])
def test_a_stored_study_is_judged_as_the_sent_one(aggregate: str) -> None:
    sent = define(judged(DIGIT, PARITY, aggregate=aggregate))
    kept = from_storage(to_storage(sent), trials=32)
    measured = {DIGIT: 0.9, PARITY: 0.5}
    assert kept.objective == sent.objective
    assert evaluate(kept.objective, measured).value == evaluate(sent.objective, measured).value
    assert math.isfinite(evaluate(kept.objective, measured).value)


def test_a_faulty_metric_is_told_once_and_not_as_a_missing_ideal() -> None:
    assert list(faults_of(judged(DIGIT, "parity.binary_acuracy"))) == ["objective.metrics.1.metric"]
