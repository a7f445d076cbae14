"""Losses, weights and metrics of `compile` are those that Keras itself gives each output."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import pytest

from search.catalog import find_optimizer
from search.errors import PreflightError
from search.training.problem.keras_private import compile_arguments
from search.training.user.compiled import (
    Head,
    Ports,
    _compiled_loss,
    _compiled_metric,
    heads,
    optimizer_config,
    output_names,
    without_numbers,
)

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
TARGETS = {"topic": np.array([0, 1, 2, 0]), "sentiment": np.zeros((4, 1))}


def two_heads() -> keras.Model:
    """Return a model whose output dict has another order than Keras flattens it in."""
    inputs = keras.Input((3,))
    topic = keras.layers.Dense(3, activation="softmax")(inputs)
    return keras.Model(inputs, {"topic": topic, "sentiment": keras.layers.Dense(1, activation="sigmoid")(inputs)})


def read(model: keras.Model, targets: Any = None, **arguments: Any) -> dict[str, Head]:
    model.compile("adam", **arguments)
    predicted = model(X)
    names = Ports(*output_names(model, predicted))
    found = heads(model, names, TARGETS if targets is None else targets, predicted, compile_arguments(model))
    return {head.key: head for head in found}


def test_a_list_of_losses_has_the_order_in_which_keras_flattens_the_output_dict() -> None:
    model, losses = two_heads(), ["binary_crossentropy", "sparse_categorical_crossentropy"]
    found = read(model, loss=losses, loss_weights=[0.25, 4.0])
    assert [(found[key].losses[0].loss, found[key].losses[0].weight) for key in ("sentiment", "topic")] == [
        ("binary_crossentropy", 0.25),
        ("sparse_categorical_crossentropy", 4.0),
    ]
    values = model.evaluate(X, TARGETS, verbose=0, return_dict=True)  # Keras agrees: its total is 0.25 and 4 times these
    assert values["loss"] == pytest.approx(0.25 * values["sentiment_loss"] + 4 * values["topic_loss"], rel=1e-5)


def test_several_losses_of_an_output_keep_their_weights() -> None:
    losses = {"topic": "sparse_categorical_crossentropy", "sentiment": ["mse", keras.losses.BinaryFocalCrossentropy(gamma=3.0)]}
    found = read(two_heads(), loss=losses, loss_weights={"topic": 0.3, "sentiment": [1.0, 0.5]})
    assert [(each.loss, each.weight, dict(each.config)) for each in found["sentiment"].losses] == [
        ("mean_squared_error", 1.0, {}),
        ("binary_focal_crossentropy", 0.5, {"gamma": 3.0}),
    ]


def test_accuracy_is_what_keras_makes_of_it_by_shapes() -> None:
    found = read(two_heads(), loss={"topic": "sparse_categorical_crossentropy", "sentiment": "mse"},
                 metrics={"topic": ["accuracy"], "sentiment": ["acc", keras.metrics.AUC(num_thresholds=50)]})  # fmt: skip
    assert [(each.name, each.metric) for each in found["topic"].metrics] == [("accuracy", "sparse_categorical_accuracy")]
    assert [(each.name, each.metric, dict(each.config)) for each in found["sentiment"].metrics] == [
        ("acc", "binary_accuracy", {}),
        ("auc", "auc", {"num_thresholds": 50}),
    ]


def test_the_names_of_outputs_do_not_depend_on_how_often_a_cell_ran() -> None:
    inputs = keras.Input((3,))
    keras.layers.Dense(1)
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    names, compiled = output_names(model, model(X))
    assert names == ("dense", "dense_1")
    assert compiled == tuple(model.output_names) != names
    assert without_numbers(["mine_7"], model) == ("mine_7",)


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def test_a_function_of_the_users_stays_what_it_is() -> None:
    found = read(
        two_heads(), loss={"topic": "sparse_categorical_crossentropy", "sentiment": own_loss}, metrics={"sentiment": [own_loss]}
    )
    assert (found["sentiment"].losses[0].name, found["sentiment"].losses[0].own) == ("own_loss", own_loss)
    assert found["sentiment"].metrics[0].own is own_loss


def test_a_loss_that_grows_with_the_batch_is_refused() -> None:
    with pytest.raises(PreflightError, match="reduction 'sum'"):
        read(two_heads(), loss={"topic": None, "sentiment": keras.losses.MeanSquaredError(reduction="sum")})


def test_what_keras_cannot_compile_is_refused_in_its_words() -> None:
    with pytest.raises(PreflightError, match="Keras cannot compile this"):
        read(two_heads(), loss={"topik": "mse"})


def test_an_optimizer_is_its_name_and_what_differs_from_the_defaults() -> None:
    assert optimizer_config("adam") == {"name": "adam", "config": {}}
    assert optimizer_config(keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0)) == {
        "name": "sgd",
        "config": {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 1.0},
    }


def test_every_optimizer_of_keras_with_its_defaults_is_taken_and_that_of_mixed_precision_is_refused_by_name() -> None:
    kinds = [kind for name, kind in vars(keras.optimizers).items() if inspect.isclass(kind) and find_optimizer(name) is not None]
    found = {kind.__name__: optimizer_config(kind()) for kind in kinds}
    assert {"Adam", "Muon", "Lion"} <= set(found)
    assert [name for name, entry in found.items() if entry["config"]] == []
    with pytest.raises(PreflightError, match="LossScaleOptimizer is for mixed precision, which comes later"):
        optimizer_config(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))


def test_a_schedule_of_the_learning_rate_is_refused_by_name() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    with pytest.raises(PreflightError, match="ExponentialDecay"):
        optimizer_config(keras.optimizers.Adam(schedule))


@pytest.mark.parametrize(("weight_decay", "refused"), [(0.1, True), (None, False)])
def test_variables_left_out_of_weight_decay_are_refused_where_there_is_one(weight_decay: float | None, refused: bool) -> None:
    optimizer = keras.optimizers.Adam(weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(PreflightError, match="leaves variables out of its weight decay") if refused else nullcontext():
        assert optimizer_config(optimizer)["name"] == "adam"


@pytest.mark.parametrize(
    ("made", "config"),
    [
        (keras.losses.Huber(delta=0.7), {"delta": 0.7}),
        (keras.losses.CosineSimilarity(axis=1), {"axis": 1}),
        (keras.losses.SparseCategoricalCrossentropy(axis=1), {"axis": 1}),
        (keras.losses.SparseCategoricalCrossentropy(ignore_class=2), {"ignore_class": 2}),
        (keras.losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=3.0), {"alpha": 0.5, "gamma": 3.0}),
        (keras.losses.Tversky(alpha=0.3, beta=0.7), {"alpha": 0.3, "beta": 0.7}),
        (keras.losses.BinaryCrossentropy(label_smoothing=0.1), {"label_smoothing": 0.1}),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_loss_keeps_its_arguments_though_keras_leaves_some_out_of_its_config(made: Any, config: dict[str, Any]) -> None:
    assert _compiled_loss(made, 1.0).config == config


@pytest.mark.parametrize(
    ("made", "config"),
    [
        (keras.metrics.CosineSimilarity(axis=1), {"axis": 1}),
        (keras.metrics.SparseTopKCategoricalAccuracy(k=2), {"k": 2}),
        (keras.metrics.BinaryAccuracy(threshold=0.3), {"threshold": 0.3}),
        (keras.metrics.AUC(thresholds=[0.2, 0.8]), {"thresholds": [0.2, 0.8]}),
        (keras.metrics.MeanMetricWrapper(keras.metrics.binary_accuracy, threshold=0.3), {"threshold": 0.3}),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_metric_keeps_its_arguments_though_keras_leaves_some_out_of_its_config(made: Any, config: dict[str, Any]) -> None:
    assert dict(_compiled_metric(made).config).items() >= config.items()


def test_a_function_that_a_metric_wraps_keeps_its_arguments() -> None:
    found = _compiled_metric(keras.metrics.MeanMetricWrapper(lambda y, p, q: q * (p - y), name="pinball", q=0.25))
    assert (found.name, found.own(1.0, 3.0)) == ("pinball", 0.5)


@pytest.mark.parametrize(
    ("made", "logits"),
    [
        (keras.metrics.AUC(from_logits=True), True),
        (keras.metrics.BinaryCrossentropy(from_logits=True), True),
        (keras.metrics.BinaryCrossentropy(), False),
    ],
)
def test_a_metric_says_whether_it_reads_logits(made: Any, logits: bool) -> None:
    assert _compiled_metric(made).from_logits is logits


def test_a_metric_of_sorted_ids_is_refused() -> None:
    with pytest.raises(PreflightError, match="from_sorted_ids=True"):
        _compiled_metric(keras.metrics.SparseTopKCategoricalAccuracy(from_sorted_ids=True))


class Unweighted(keras.metrics.Mean):
    def update_state(self, y_true: Any, y_pred: Any) -> None:
        super().update_state(keras.ops.abs(y_true - y_pred))


@pytest.mark.parametrize("made", [keras.metrics.Sum(), keras.metrics.Mean(), Unweighted()])
def test_a_metric_that_fit_cannot_update_is_refused_by_name(made: Any) -> None:
    with pytest.raises(PreflightError, match=f"the metric {type(made).__name__} does not compare labels with predictions"):
        _compiled_metric(made)
    model = two_heads()
    model.compile("adam", loss="mse", metrics={"sentiment": [made]})
    with pytest.raises(TypeError, match="sample_weight"):  # Keras agrees
        model.fit(X, TARGETS, verbose=0)


def test_a_metric_keeps_the_name_that_keras_gives_it_in_a_history() -> None:
    model = two_heads()
    losses = {"topic": "sparse_categorical_crossentropy", "sentiment": "poisson"}
    found = read(model, loss=losses, metrics={"topic": ["acc"], "sentiment": [keras.metrics.AUC(name="auc_7"), "poisson"]})
    named = {f"{key}_{metric.keras_name}" for key, head in found.items() for metric in head.metrics}
    assert named == {key for key in model.evaluate(X, TARGETS, verbose=0, return_dict=True) if "loss" not in key}


def test_metrics_of_one_name_are_numbered_as_in_a_history() -> None:
    model = two_heads()
    several = [keras.metrics.BinaryAccuracy(threshold=at) for at in (0.1, 0.2, 0.9)]
    losses = {"topic": "sparse_categorical_crossentropy", "sentiment": "binary_crossentropy"}
    weighted = {"sentiment": [keras.metrics.BinaryAccuracy(threshold=0.7)]}
    found = read(model, loss=losses, metrics={"sentiment": several}, weighted_metrics=weighted)["sentiment"].metrics
    named = [metric.keras_name for metric in found]
    assert named == ["binary_accuracy", "binary_accuracy_1", "binary_accuracy_2", "weighted_binary_accuracy"]
    assert [metric.config["threshold"] for metric in found] == [0.1, 0.2, 0.9, 0.7]
    assert {f"sentiment_{name}" for name in named} <= set(model.evaluate(X, TARGETS, verbose=0, return_dict=True))


def _numeric(kind: type) -> dict[str, float]:
    """Return the numeric arguments of a loss's class, each moved off its default."""
    parameters = inspect.signature(kind).parameters.values()
    return {each.name: 0.37 * each.default + 0.21 for each in parameters if isinstance(each.default, float)}


LOSSES = [
    kind
    for kind in vars(keras.losses).values()
    if isinstance(kind, type) and issubclass(kind, keras.losses.Loss) and _numeric(kind)
]


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_no_numeric_argument_of_a_keras_loss_is_lost(kind: type) -> None:
    moved = _numeric(kind)
    found = _compiled_loss(kind(**moved), 1.0).config
    assert {name: found.get(name) for name in moved} == moved
