"""Terms: what a definition's losses and a workload's own functions make of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search.definition.schema import StudyDefinition
from search.training.problem.batch import Batch
from search.training.problem.keras_private import put_mask
from search.training.problem.terms import term_functions
from tests.search.training.scenes import RANGE, Recorder, engine_of, settings, study, task, workload

TARGET = np.array([0, 2, 1])
LOGITS = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0], [1.0, 1.0, 0.0]], "float32")
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def _batch(outputs: Mapping[str, Any], targets: Mapping[str, Any], weight: Mapping[str, Any] | None = None) -> Batch:
    def tensors(arrays: Mapping[str, Any] | None) -> dict[str, Any]:
        return {name: tf.constant(array) for name, array in (arrays or {}).items()}

    return Batch({}, tensors(targets), tensors(outputs), tensors(weight), {}, lambda x, active: {})


def _values(definition: StudyDefinition, batch: Batch, **own: Any) -> dict[str, float]:
    bound = workload(lambda: None, None, **own)
    return {term.path: float(term(batch)) for term in term_functions(definition.tasks, definition.penalties, bound)}


def test_from_logits_is_passed_to_a_loss_that_knows_it() -> None:
    definition = study([task("a", "sparse_categorical_crossentropy", from_logits=True)])
    expected = -np.log(SOFTMAX[range(3), TARGET]).mean()
    assert _values(definition, _batch({"a": LOGITS}, {"a": TARGET})) == {"a.error": pytest.approx(expected, rel=1e-5)}


def test_any_other_loss_sees_logits_through_a_softmax() -> None:
    definition = study([task("a", from_logits=True)])
    target = np.eye(3, dtype="float32")[TARGET]
    expected = np.square(target - SOFTMAX).mean()
    assert _values(definition, _batch({"a": LOGITS}, {"a": target})) == {"a.error": pytest.approx(expected, rel=1e-5)}


def test_a_hinge_loss_sees_the_raw_score() -> None:
    definition = study([task("a", "hinge", from_logits=True)])
    score, label = np.array([[0.5], [-3.0]], "float32"), np.array([[1], [0]])
    assert _values(definition, _batch({"a": score}, {"a": label})) == {"a.error": pytest.approx(0.25)}


def test_a_task_of_one_column_reads_that_column_of_output_and_target() -> None:
    definition = study([task("first", output="both", target="both", column=0), task("second", output="both", target="b", column=1)])
    batch = _batch(
        {"both": np.array([[1.0, 2.0], [3.0, 4.0]])}, {"both": np.array([[0.0, 9.0], [0.0, 9.0]]), "b": np.array([2.0, 2.0])}
    )
    assert _values(definition, batch) == {"first.error": pytest.approx(5.0), "second.error": pytest.approx(2.0)}


def test_a_loss_may_read_a_target_of_its_own() -> None:
    losses = [{"name": "hard", "loss": "mse"}, {"name": "soft", "loss": "mse", "target": "teacher", "weight": RANGE}]
    definition = study([{"name": "a", "losses": losses}])
    batch = _batch({"a": np.ones((2, 1))}, {"a": np.zeros((2, 1)), "teacher": np.full((2, 1), 3.0)})
    assert _values(definition, batch) == {"a.hard": 1.0, "a.soft": 4.0}


def test_a_loss_is_the_mean_over_labelled_rows_so_its_weight_does_not_depend_on_the_label_rate() -> None:
    definition = study([task("a")])
    batch = _batch({"a": np.array([[1.0], [2.0], [5.0]])}, {"a": np.zeros((3, 1))}, {"a": np.array([1.0, 1.0, 0.0])})
    assert _values(definition, batch) == {"a.error": pytest.approx(2.5)}


def test_weights_of_rows_hold_for_every_pixel_of_a_row() -> None:
    """Keras itself would multiply [batch, height, width] by [batch] along the width: 2 rows, 2 pixels wide."""
    definition = study([task("a", "mean_absolute_error")])
    image = np.arange(8.0).reshape(2, 2, 2, 1)
    batch = _batch({"a": image}, {"a": np.zeros_like(image)}, {"a": np.array([3.0, 1.0])})
    assert _values(definition, batch) == {"a.error": pytest.approx((3 * 1.5 + 5.5) / 4)}


def test_a_row_weight_may_stand_under_the_targets_name() -> None:
    definition = study([task("a", output="both", target="t", column=0)])
    batch = _batch({"both": np.array([[1.0, 0.0], [3.0, 0.0]])}, {"t": np.zeros(2)}, {"t": np.array([0.0, 1.0])})
    assert _values(definition, batch) == {"a.error": pytest.approx(9.0)}


def test_an_own_loss_of_one_value_a_row_is_averaged_with_the_rows_weights() -> None:
    definition = study([{"name": "a", "losses": [{"name": "own", "loss": "twice", "config": {"by": 2.0}}]}])
    batch = _batch({"a": np.array([[1.0], [2.0]])}, {}, {"a": np.array([1.0, 3.0])})
    own = {"twice": lambda batch, by: by * batch.outputs["a"][:, 0]}
    assert _values(definition, batch, losses=own) == {"a.own": pytest.approx((2 * 1 + 4 * 3) / 4)}


def test_an_own_scalar_is_the_term_itself() -> None:
    definition = study([task("a", None)], [{"name": "own", "penalty": "largest"}])
    batch = _batch({"a": np.array([[1.0], [2.0]])}, {})
    assert _values(definition, batch, penalties={"largest": lambda batch: ops.max(batch.outputs["a"])}) == {"own": 2.0}


def test_an_own_term_of_one_value_a_step_is_the_mean_over_all_steps() -> None:
    definition = study([task("a", None)], [{"name": "own", "penalty": "all"}])
    values = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])
    assert _values(definition, _batch({"a": values}, {}), penalties={"all": lambda batch: batch.outputs["a"]}) == {"own": 1.5}


def test_row_weights_of_another_form_than_the_values_are_refused() -> None:
    definition = study([{"name": "a", "losses": [{"name": "own", "loss": "own"}]}])
    batch = _batch({"a": np.ones((2, 3))}, {}, {"a": np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"a.own has values \[batch\], and the row weights or the mask are \[batch, 3\]"):
        _values(definition, batch, losses={"own": lambda batch: batch.outputs["a"][:, 0]})


STEPS = np.array([[[0.9], [0.4], [0.0]], [[0.2], [0.0], [0.0]]])
REAL = np.array([[True, True, False], [True, False, False]])


def _masked(weight: Mapping[str, Any] | None = None) -> Batch:
    batch = _batch({"a": STEPS, "b": STEPS * 0.5, "whole": np.array([[1.0], [0.5]])}, {}, weight)
    for name in ("a", "b"):
        put_mask(batch.outputs[name], tf.constant(REAL))
    return batch


def _penalty(penalty: str, between: Any, batch: Batch, **config: Any) -> Any:
    """Return a built-in penalty's term in a batch."""
    tasks = [task(name, None) for name in ("a", "b", "whole")]
    definition = study(tasks, [{"name": "own", "penalty": penalty, "between": between, "config": config}])
    (term,) = term_functions(definition.tasks, definition.penalties, workload(lambda: None, None))
    return term.measure(batch)


def test_a_built_in_penalty_leaves_padded_steps_out() -> None:
    measured = _penalty("consistency", [{"task": "a"}, {"task": "b"}], _masked())
    assert float(measured.mean) == pytest.approx(np.mean([0.45, 0.2, 0.1]))
    assert float(measured.weight) == 3


@pytest.mark.parametrize(("reduce", "expected"), [("mean", [0.65, 0.2]), ("max", [0.9, 0.2]), ("noisy_or", [0.94, 0.2])])
def test_reduce_leaves_padded_steps_out(reduce: str, expected: list[float]) -> None:
    far = np.abs(np.array(expected) - [1.0, 0.5])
    for side, config in (({"task": "a", "reduce": reduce}, {}), ({"task": "a"}, {"reduce": reduce})):
        name = "hierarchy" if config else "consistency"
        assert float(_penalty(name, [side, {"task": "whole"}], _masked(), **config).mean) == pytest.approx(far.mean())


def test_a_smooth_maximum_over_real_steps_is_theirs_alone() -> None:
    expected = np.log(np.mean(np.exp([0.9, 0.4]))), 0.2
    measured = _penalty("consistency", [{"task": "a", "reduce": "logsumexp"}, {"task": "whole"}], _masked())
    assert float(measured.mean) == pytest.approx(np.mean(np.abs(np.array(expected) - [1.0, 0.5])))


def test_a_row_without_a_real_step_does_not_count() -> None:
    batch = _masked()
    put_mask(batch.outputs["a"], tf.constant([[True, True, False], [False, False, False]]))
    measured = _penalty("consistency", [{"task": "a", "reduce": "mean"}, {"task": "whole"}], batch)
    assert float(measured.mean) == pytest.approx(0.35)
    assert float(measured.weight) == 1


def test_a_row_counts_as_much_as_the_lesser_of_both_sides_row_weights() -> None:
    weights = {"a": np.array([2.0, 1.0]), "whole": np.array([1.0, 3.0])}
    batch = _batch({"a": np.array([[0.5], [0.2]]), "b": np.zeros((2, 1)), "whole": np.array([[1.0], [1.0]])}, {}, weights)
    both = _penalty("consistency", [{"task": "a"}, {"task": "whole"}], batch)
    assert float(both.mean) == pytest.approx((0.5 + 0.8) / 2)
    one = _penalty("consistency", [{"task": "a"}, {"task": "b"}], batch)
    assert float(one.mean) == pytest.approx((2 * 0.5 + 0.2) / 3)


def test_violations_are_the_weighted_share_of_rows() -> None:
    weights = {"a": np.array([3.0, 1.0, 0.0])}
    batch = _batch({"a": np.array([[0.5], [0.0], [0.9]]), "b": np.zeros((3, 1)), "whole": np.zeros((3, 1))}, {}, weights)
    rows = _penalty("consistency", [{"task": "a"}, {"task": "b"}], batch).rows
    assert np.asarray(rows.values)[:2].tolist() == [0.5, 0.0]  # the third does not count
    assert np.asarray(rows.weights).tolist() == [3.0, 1.0, 0.0]


@pytest.mark.parametrize("penalty", ["covariance", "correlation"])
def test_a_batch_statistic_is_under_row_weights_as_numpys_is(penalty: str) -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 9, 1))
    weight = draw.integers(0, 4, 9)
    batch = _batch({"a": a, "b": b, "whole": a}, {}, {"a": weight.astype("float64")})
    of = {"covariance": lambda x: np.cov(x, aweights=weight, ddof=0), "correlation": lambda x: np.corrcoef(np.repeat(x, weight, 1))}
    expected = max(0.0, 0.9 - of[penalty](np.stack([a[:, 0], b[:, 0]]))[0, 1])
    measured = _penalty(penalty, [{"task": "a"}, {"task": "b"}], batch, at_least=0.9)
    assert float(measured.mean) == pytest.approx(expected, rel=1e-6)
    assert float(measured.weight) == weight.sum()


@pytest.mark.parametrize("nested", [1, 2])
def test_batch_gradient_gives_derivatives_row_by_row_and_may_be_nested(nested: int, float64: None) -> None:
    """u(x) = tanh(w x) with w = 2: u' = 2 (1 - u^2), u'' = -8 u (1 - u^2)."""

    def u(batch: Any) -> Any:
        return lambda x: batch.call(x)["u"]

    def first(batch: Any, x: Any) -> Any:
        return batch.gradient(u(batch), x)

    def derivative(batch: Any) -> Any:
        x = batch.inputs["input"]
        return ops.square(first(batch, x) if nested == 1 else batch.gradient(lambda x: first(batch, x), x))[:, 0]

    def build_model() -> keras.Model:
        x = keras.Input((1,))
        return keras.Model(
            x, {"u": keras.layers.Dense(1, "tanh", use_bias=False, kernel_initializer=keras.initializers.Constant(2.0))(x)}
        )

    x = np.array([[0.1], [-0.5], [1.0]])
    definition = study([{"name": "u", "losses": [{"name": "d", "loss": "d"}]}], training={"epochs": 1, "batch_size": 3})
    engine = engine_of(definition, workload(build_model, (x, {"u": x}), losses={"d": derivative}))
    recorder = Recorder()
    engine.train(settings({"u.d": 1.0}), definition.training, recorder)
    u_of = np.tanh(2 * x)
    expected = 2 * (1 - u_of**2) if nested == 1 else -8 * u_of * (1 - u_of**2)
    assert recorder.values(0, 0)["u.d"] == pytest.approx(np.mean(expected**2))
    assert recorder.values(0, 1)["u.d"] < recorder.values(0, 0)["u.d"]  # it is trained, too


def test_a_gradient_of_what_does_not_depend_on_x_is_zero() -> None:
    batch = _batch({}, {})
    assert np.asarray(batch.gradient(lambda x: tf.constant([1.0]), tf.constant([[3.0, 4.0]]))).tolist() == [[0.0, 0.0]]
