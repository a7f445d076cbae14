"""A workload's own losses and metrics: f(batch) under mask and row weights, and Keras's own forms, which equal `compile`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.errors import PreflightError
from search.training.interface import Setting
from tests.search.training.compiled import fitted, weighted_mean
from tests.search.training.scenes import Recorder, checked, engine_of, linear, problem_of, rows, study, task, workload

STEPS = 6


def tagger() -> keras.Model:
    """Padded sequences: a tag a step, under the mask of the embedding, and a topic of the whole."""
    inputs = keras.Input((STEPS,), dtype="int32")
    hidden = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    tags = keras.layers.Dense(3, activation="softmax")(hidden)
    return keras.Model(inputs, {"tags": tags, "topic": keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(hidden))})


_random = np.random.default_rng(5)
LENGTHS = _random.integers(1, STEPS + 1, 24)
X = np.where(np.arange(STEPS) < LENGTHS[:, None], _random.integers(1, 9, (24, STEPS)), 0).astype("int32")
Y = {"tags": (X % 3).astype("int32"), "topic": _random.normal(size=(24, 1))}
MASK = X != 0
ROW_WEIGHTS = (np.arange(24) % 4).astype("float64")
STEP_WEIGHTS = np.repeat(ROW_WEIGHTS[:, None], STEPS, axis=1)  # `fit` cannot spread a weight a row over steps


def by_step(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def right(y_true: Any, y_pred: Any) -> Any:
    return ops.cast(ops.equal(ops.cast(y_true, "int32"), ops.cast(ops.argmax(y_pred, -1), "int32")), y_pred.dtype)


class ByStep(keras.losses.Loss):  # type: ignore[misc]
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return by_step(y_true, y_pred)


LOSS_FORMS = {
    "of-batch": lambda batch: by_step(batch.targets["tags"], batch.outputs["tags"]),
    "function": by_step,
    "object": ByStep(),
    "class": ByStep,
    "of-keras": keras.losses.SparseCategoricalCrossentropy(),
}
METRIC_FORMS = {
    "of-batch": lambda batch: right(batch.targets["tags"], batch.outputs["tags"]),
    "function": right,
    "object": keras.metrics.SparseCategoricalAccuracy(),
    "class": keras.metrics.SparseCategoricalAccuracy,
}


def definition() -> Any:
    """Return a study in which every form of the same loss stands once, so that they train as one of weight 2."""
    tags = {
        "name": "tags",
        "losses": [{"name": form, "loss": form} for form in LOSS_FORMS],
        "metrics": [{"name": f"hit-{form}", "metric": form, "direction": "maximize"} for form in METRIC_FORMS],
    }
    return study([tags, task("topic")], training={"epochs": 2, "batch_size": 7})


def trained(weight: Any = None, strategy: str = "serial", size: int = 1) -> dict[str, float]:
    """Return what is measured after a training, of the last of `size` settings."""
    data = (X, Y) if weight is None else (X, Y, {"tags": weight})
    bound, recorder = workload(tagger, data, losses=LOSS_FORMS, metrics=METRIC_FORMS), Recorder()
    weights = {f"tags.{form}": 2.0 / len(LOSS_FORMS) for form in LOSS_FORMS} | {"topic.error": 0.5}
    engine = engine_of(definition(), bound, strategy, size)
    engine.train([Setting(number, 0, weights) for number in range(size)], definition().training, recorder)
    return recorder.values(size - 1, 2)


def predicted(loss: Any, weight: Any = None) -> Any:
    """Return what the model that `compile(loss=...)` trained says of the tags."""
    losses = {"tags": loss, "topic": "mean_squared_error"}
    given = None if weight is None else {"tags": weight, "topic": np.ones(24)}
    model = fitted(
        tagger, X, Y, given, batch_size=7, epochs=2, loss=losses, loss_weights={"tags": 2.0, "topic": 0.5}, optimizer="adam"
    )
    return np.asarray(model.predict(X, verbose=0)["tags"])


def expected(tags: Any, weights: Any) -> dict[str, float]:
    entropy = -np.log(np.take_along_axis(tags, Y["tags"][..., None], -1)[..., 0])
    hit = weighted_mean(tags.argmax(-1) == Y["tags"], weights)
    found = {f"tags.{form}": weighted_mean(entropy, weights) for form in LOSS_FORMS}
    return found | {f"tags.hit-{form}": hit for form in METRIC_FORMS}


def test_every_form_leaves_padding_out_as_compile_does(float64: None) -> None:
    right_values = expected(predicted(by_step), MASK)
    measured = trained()
    assert {path: measured[path] for path in right_values} == pytest.approx(right_values, abs=1e-6)


def test_every_form_is_a_mean_under_row_weights_and_mask(float64: None) -> None:
    mean = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    right_values = expected(predicted(mean, STEP_WEIGHTS), MASK * STEP_WEIGHTS)
    measured = trained(ROW_WEIGHTS, "unrolled", 2)
    assert {path: measured[path] for path in right_values} == pytest.approx(right_values, abs=1e-6)


def test_targets_without_the_last_axis_do_not_broadcast(float64: None) -> None:
    """[rows] against an output of [rows, 1]: what a column of a table gives. `compile` brings both to one rank, and so do we."""
    x, _ = rows(30)
    y = {"p": (x[:, 0] > 0).astype("float64"), "q": x[:, 1]}
    build = linear({"p": 1, "q": 1}, activations={"p": "sigmoid"})

    def own(batch: Any) -> Any:
        return ops.mean(ops.square(batch.targets["q"] - batch.outputs["q"]), axis=-1)

    tasks = [task("p", "binary_crossentropy"), {"name": "q", "losses": [{"name": "own", "loss": "own"}], "metrics": ["mae"]}]
    asked = study(tasks, training={"epochs": 2, "batch_size": 8})
    recorder = Recorder()
    engine = engine_of(asked, workload(build, (x, y), losses={"own": own}))
    engine.train([Setting(0, 0, {"p.error": 1.0, "q.own": 3.0})], asked.training, recorder)
    losses = {"p": "binary_crossentropy", "q": lambda y_true, y_pred: ops.mean(ops.square(y_true - y_pred), axis=-1)}
    model = fitted(build, x, y, batch_size=8, epochs=2, loss=losses, loss_weights={"p": 1.0, "q": 3.0}, optimizer="adam")
    expected = np.mean(np.abs(np.asarray(model.predict(x, verbose=0)["q"])[:, 0] - y["q"]))
    assert recorder.values(0, 2)["q.mae"] == pytest.approx(expected, abs=1e-8)


def refused(kind: str, given: Any, config: Any = None) -> PreflightError:
    """Return how a study is refused that uses one term of the workload's own."""
    parts: dict[str, Any] = {"losses": {}, "metrics": {}, "penalties": {}} | {kind: {"own": given}}
    tasks = [task("a"), task("b")]
    penalties = []
    if kind == "losses":
        tasks[0]["losses"][0] |= {"loss": "own", "config": config or {}}
    elif kind == "metrics":
        tasks[0]["metrics"] = [{"name": "own", "metric": "own", "config": config or {}, "direction": "minimize"}]
    else:
        penalties = [{"name": "own", "penalty": "own", "config": config or {}}]
    with pytest.raises(PreflightError) as caught:
        checked(study(tasks, penalties), workload(linear({"a": 1, "b": 1}), rows(8, a=1, b=1), **parts))
    return caught.value


@pytest.mark.parametrize("reduction", ["sum", None])
def test_a_loss_whose_reduction_counts_the_rows_is_refused(reduction: Any) -> None:
    error = refused("losses", keras.losses.MeanSquaredError(reduction=reduction))
    assert f"reduction {reduction!r}" in error.reason.message
    assert error.reason.at == "tasks.0.losses.0.loss"


def three(y_true: Any, y_pred: Any, more: Any) -> Any: ...


def named_batch(batch: Any, temperature: Any) -> Any: ...


def two(y_true: Any, y_pred: Any) -> Any: ...


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("losses", three, "should be f(batch) or f(y_true, y_pred), and it takes (y_true, y_pred, more)"),
        ("losses", named_batch, "it takes (batch, temperature); other arguments need a default, or a value in `config`"),
        ("metrics", three, "should be f(batch) or f(y_true, y_pred)"),
        ("penalties", two, "takes two arguments, and it is called with one: f(batch)"),
        ("losses", lambda: 0.0, "it takes no argument"),
    ],
)
def test_a_function_of_other_arguments_says_what_it_takes_and_where_it_is(kind: str, given: Any, words: str) -> None:
    error = refused(kind, given)
    assert words in error.reason.message
    assert (error.reason.at or "").startswith("test_own_forms.py:")


def test_config_fills_arguments_of_both_forms() -> None:
    def scaled(y_true: Any, y_pred: Any, by: Any) -> Any:
        return by * ops.mean(ops.square(y_true - y_pred), -1)

    def of_batch(batch: Any, by: Any) -> Any:
        return scaled(batch.targets["a"], batch.outputs["a"], by)

    values = []
    for own in (scaled, of_batch):
        losses = [{"name": "plain", "loss": "mse"}, {"name": "own", "loss": "own", "config": {"by": 3.0}}]
        asked = study([{"name": "a", "losses": losses}])
        problem = problem_of(asked, workload(linear({"a": 1}), rows(8, a=1), losses={"own": own}))
        batch = problem.batch(problem.example_rows(), _passed(problem), lambda x, active: {})
        values.append([float(term(batch)) for term in problem.terms])
    assert all(own == pytest.approx(3 * plain) for plain, own in values)


def _passed(problem: Any) -> Any:
    network = problem.network(0)
    own = [ops.convert_to_tensor(variable) for variable in network.variables]
    trained = len(network.trainable)
    return network(own[:trained], own[trained:], problem.example_rows().inputs, training=False)


def test_an_object_cannot_be_given_other_arguments() -> None:
    error = refused("losses", keras.losses.Huber(), {"delta": 2.0})
    assert "`config` cannot set delta" in error.reason.message


def test_values_that_grow_with_the_rows_on_two_axes_are_refused() -> None:
    error = refused("losses", lambda batch: ops.square(batch.outputs["a"] - ops.squeeze(batch.targets["a"], -1)))
    assert "[batch, batch]" in error.reason.message


def test_values_of_another_length_than_the_rows_are_refused() -> None:
    error = refused("losses", lambda batch: ops.mean(batch.outputs["a"], axis=0))
    assert "values [batch, ...]" in error.reason.message


def test_a_loss_in_keras_s_form_with_a_value_a_column_is_refused() -> None:
    error = refused("losses", lambda y, p: ops.mean(ops.square(y - p), axis=0))
    assert "reduce its last axis (axis=-1), not the rows" in error.reason.message
