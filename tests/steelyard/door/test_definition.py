"""Ranges, objective and names of a call's study."""

from __future__ import annotations

from typing import Any

import pytest

from search.training.user.compiled import CompiledLoss, CompiledMetric, Head
from steelyard.door.definition import WeightedTerm, chosen_weights, given_weights, keras_names, merged, objective_of, tasks_of
from steelyard.errors import ValidationError

SOLD, PRICE = (
    WeightedTerm("sold.bce", ("sold.bce", "sold"), 1.0, "sold"),
    WeightedTerm("price.mse", ("price.mse", "price"), 1.0, "price"),
)
KL = WeightedTerm("kl", ("kl",), None)
ADAM = {"name": "adam", "config": {}}
MSE = CompiledLoss("mean_squared_error", "mean_squared_error")


def test_a_default_range_reaches_from_a_hundredth_of_the_smallest_to_a_hundred_times_the_largest() -> None:
    found = chosen_weights([SOLD, PRICE], {}, {"sold.bce": 0.7, "price.mse": 48_000.0}, ADAM)
    assert found.by_path["sold.bce"] == 1.0
    assert found.by_path["price.mse"] == {"low": 1.5e-07, "high": 100.0, "current": 1.0}  # 0.7 / 48000 / 100, rounded
    assert found.default == ("price.mse",)


def test_the_first_weight_stays_as_it_is_and_yours_widens_the_range() -> None:
    terms = [WeightedTerm("a.x", ("a",), 2.0, "a"), WeightedTerm("b.x", ("b",), 500.0, "b")]
    found = chosen_weights(terms, {}, {"a.x": 1.0, "b.x": 1.0}, ADAM)
    assert found.by_path["a.x"] == 2.0
    assert found.by_path["b.x"] == {"low": 0.02, "high": 50_000.0, "current": 500.0}


def test_a_weight_of_0_is_compared_as_yours_and_said_to_lie_outside_the_default_range() -> None:
    off = WeightedTerm("b.x", ("b",), 0.0, "b")
    found = chosen_weights([SOLD, off], {}, {"sold.bce": 1.0, "b.x": 1.0}, ADAM)
    assert found.by_path["b.x"] == {"low": 0.01, "high": 100.0, "current": 0.0}
    assert "your weight of b.x is 0, outside the default range: it is compared as yours, and never drawn" in found.notes[-1]


def test_losses_too_far_apart_for_a_weight_are_refused_and_a_default_range_ends_at_the_largest_weight() -> None:
    with pytest.raises(ValidationError, match=r"sold.bce: its loss begins at 0.7 and that of price.mse at 1e\+18.* scale"):
        chosen_weights([PRICE, SOLD], {}, {"sold.bce": 0.7, "price.mse": 1e18}, ADAM)
    found = chosen_weights([PRICE, SOLD], {}, {"sold.bce": 1.0, "price.mse": 1e11}, ADAM)
    assert found.by_path["sold.bce"] == {"low": 0.01, "high": 1e12, "current": 1.0}


@pytest.mark.parametrize("optimizer", [{"name": "sgd", "config": {}}, {"name": "adam", "config": {"clipnorm": 1.0}}])
def test_with_sgd_or_clipping_the_sum_of_the_weights_stays(optimizer: dict[str, Any]) -> None:
    found = chosen_weights([SOLD, PRICE], {}, {"sold.bce": 1.0, "price.mse": 1.0}, optimizer)
    assert found.space == {"simplex": ["sold.bce", "price.mse"], "total": 2.0}
    assert all(isinstance(each, dict) for each in found.by_path.values())


def test_a_penalty_that_is_zero_before_training_is_searched_around_one() -> None:
    found = chosen_weights([SOLD, KL], {}, {"sold.bce": 0.7, "kl": 0.0}, ADAM)
    assert found.by_path["kl"] == {"low": 0.01, "high": 100.0}


def test_ranges_may_be_given_by_output_by_term_or_by_penalty() -> None:
    found = given_weights([SOLD, PRICE, KL], {"price": (0.1, 10), "sold.bce": 3, "kl": {"values": [0.1, 1.0]}})
    assert found == {"price.mse": {"low": 0.1, "high": 10.0, "current": 1.0}, "sold.bce": 3.0, "kl": {"values": [0.1, 1.0]}}


def test_several_losses_of_an_output_take_a_list() -> None:
    terms = [WeightedTerm("mask.dice", ("mask.dice",), 1.0, "mask"), WeightedTerm("mask.bce", ("mask.bce",), 0.5, "mask")]
    assert set(given_weights(terms, {"mask": [(0.1, 1), 1.0]})) == {"mask.dice", "mask.bce"}
    with pytest.raises(ValidationError, match="several losses"):
        given_weights(terms, {"mask": (0.1, 1)})


def test_a_range_of_an_unknown_name_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(ValidationError, match="did you mean 'price'"):
        given_weights([SOLD, PRICE], {"prise": (0.1, 1)})


def test_an_output_with_an_illegal_name_gets_a_legal_task_and_keeps_its_own_name() -> None:
    head = Head("log odds", "log odds", (None, 1), (MSE,), (CompiledMetric("mae", "mean_absolute_error"),))
    (task,) = tasks_of([head], {"log odds"}, [], False).documents
    assert (task["name"], task["output"], task["target"]) == ("log_odds", "log odds", "log odds")


def test_losses_of_one_output_that_read_it_differently_are_refused() -> None:
    logits = CompiledLoss("binary_crossentropy", "binary_crossentropy", from_logits=True)
    plain = CompiledLoss("binary_focal_crossentropy", "binary_focal_crossentropy", from_logits=False)
    with pytest.raises(ValidationError, match="do not have the same from_logits"):
        tasks_of([Head("mask", "mask", (None, 1), (logits, plain))], {"mask"}, [], False)
    with pytest.raises(ValidationError, match="dice reads probabilities"):
        tasks_of([Head("mask", "mask", (None, 1), (logits, CompiledLoss("dice", "dice")))], {"mask"}, [], False)


OWN = CompiledLoss("focal", "focal", own=len)
LOGITS = CompiledLoss("binary_crossentropy", "binary_crossentropy", from_logits=True)
AUC = CompiledMetric("auc", "auc", from_logits=True)


def test_a_metric_says_that_an_output_gives_logits_where_its_loss_does_not() -> None:
    (task,) = tasks_of([Head("click", "click", (None, 1), (OWN,), (AUC,))], {"click"}, [], False).documents
    assert task["from_logits"] is True
    for loss in ("mean_squared_error", "binary_crossentropy"):
        read = CompiledLoss(loss, loss, from_logits=False if loss == "binary_crossentropy" else None)
        with pytest.raises(ValidationError, match="reads probabilities, and auc says from_logits=True"):
            tasks_of([Head("click", "click", (None, 1), (read,), (AUC,))], {"click"}, [], False)


@pytest.mark.parametrize(("given", "used"), [(0, 0.5), (-2.0, 0.11920292), (1.5, 0.81757448), (0.3, 0.3), (1, 1)])
def test_a_threshold_that_only_logits_have_is_the_probability_of_that_logit(given: float, used: float) -> None:
    metric = CompiledMetric("precision", "precision", {"thresholds": given, "axis": 1})
    (task,) = tasks_of([Head("click", "click", (None, 1), (LOGITS,), (metric,))], {"click"}, [], False).documents
    assert task["metrics"][0]["config"] == {"thresholds": pytest.approx(used), "axis": 1}
    (task,) = tasks_of([Head("click", "click", (None, 1), (OWN,), (metric,))], {"click"}, [], False).documents
    assert task["metrics"][0]["config"] == metric.config


def two_tasks() -> tuple[list[Head], list[dict[str, Any]]]:
    metrics = (CompiledMetric("accuracy", "binary_accuracy"), CompiledMetric("auc", "auc"))
    heads = [Head("a", "dense_3", (None, 1), (MSE,), metrics), Head("b", "dense_4", (None, 1), (MSE,))]
    return heads, list(tasks_of(heads, {"a", "b"}, [], False).documents)


def test_by_default_each_task_is_judged_by_its_first_metric_or_its_loss() -> None:
    _, tasks = two_tasks()
    found, notes = objective_of(None, tasks, [], {})
    assert found == {"aggregate": "delta_m", "metrics": [{"metric": "a.accuracy"}, {"metric": "b.mean_squared_error"}]}
    assert "judged by a.accuracy, b.mean_squared_error" in notes[0]


def test_by_default_a_task_without_a_loss_is_not_judged_and_that_is_said() -> None:
    heads = [Head("a", "a", (None, 1), (MSE,)), Head("b", "b", (None, 1), (), (CompiledMetric("auc", "auc"),))]
    tasks = tasks_of(heads, {"a", "b"}, [], True).documents
    found, notes = objective_of(None, tasks, [], {})
    assert found == {"metrics": [{"metric": "a.mean_squared_error"}]}
    assert notes[0] == "judged by a.mean_squared_error"
    assert notes[1].startswith("not judged by b.auc: without a loss")


def test_keras_names_of_metrics_are_understood() -> None:
    heads, tasks = two_tasks()
    names = keras_names(tasks, heads)
    assert objective_of("val_dense_3_auc", tasks, [], names)[0] == {"metrics": [{"metric": "a.auc"}]}
    found = objective_of({"metrics": ["val_a_accuracy", {"metric": "b_loss", "direction": "minimize"}]}, tasks, [], names)[0]
    assert [each["metric"] for each in found["metrics"]] == ["a.accuracy", "b.mean_squared_error"]


def test_keras_names_of_metrics_are_understood_where_the_study_numbers_a_metric_and_where_keras_does() -> None:
    poisson = CompiledMetric("poisson", "poisson", keras_name="poisson")
    auc = CompiledMetric("auc", "auc", keras_name="auc_1")
    heads = [Head("a", "a", (None, 1), (CompiledLoss("poisson", "poisson"),), (poisson, auc))]
    tasks = list(tasks_of(heads, {"a"}, [], False).documents)
    names = keras_names(tasks, heads)
    meant = {
        "val_a_poisson": "a.poisson_2",
        "a_poisson_2": "a.poisson_2",
        "val_a_auc_1": "a.auc",
        "a_auc": "a.auc",
        "a_loss": "a.poisson",
    }
    assert {name: objective_of(name, tasks, [], names)[0]["metrics"][0]["metric"] for name in meant} == meant


@pytest.mark.parametrize("name", ["b.mse", "b.mean_squared_error", "b.MSE", "val_b_loss"])
def test_a_loss_is_understood_under_all_its_names(name: str) -> None:
    heads, tasks = two_tasks()
    assert objective_of(name, tasks, [], keras_names(tasks, heads))[0] == {"metrics": [{"metric": "b.mean_squared_error"}]}


def test_other_fields_are_merged_at_their_places() -> None:
    assert merged({"search": {"seed": 0}}, {"search": {"pruner": {"name": "median"}}}) == {
        "search": {"seed": 0, "pruner": {"name": "median"}}
    }
