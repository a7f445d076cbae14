"""`apply(model, best)`: a Keras model that trains what was tuned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.definition import searched_arguments
from search.definition.schema import StudyDefinition
from search.export.reproduction import Published, how_to_use
from search.training.interface import Setting
from search.training.user.apply import apply
from search.validation import normalize
from tests.search.training.scenes import Recorder, built_in, engine_of, linear, rows, settings, study, task, workload

WEIGHTS = {"digit.error": 1.0, "parity.error": 0.3, "agreement": 2.0}
AGREEMENT = {
    "name": "agreement",
    "penalty": "consistency",
    "between": [{"task": "digit", "classes": [1, 3, 5, 7, 9]}, {"task": "parity"}],
    "weight": {"low": 0.0, "high": 10.0},
}


def _best(definition: StudyDefinition, weights: dict[str, float], outputs: tuple[str, ...], own: Any = ()) -> dict[str, Any]:
    """Return the parts of a best-weights document that `apply` reads."""
    shown = normalize.to_api(definition)
    used = how_to_use(definition, weights, Published(outputs, frozenset(own)))
    return {
        **used,
        "weights": weights,
        "terms": {"tasks": shown["tasks"], "penalties": shown["penalties"]},
        "training": shown["training"],
    }


def _digits(penalties: Any = (AGREEMENT,)) -> StudyDefinition:
    tasks = [
        task("digit", "sparse_categorical_crossentropy", ["accuracy", "f1"]),
        task("parity", "binary_crossentropy", ["accuracy", "auc"]),
    ]
    optimizer = {"name": "adam", "config": {"learning_rate": 0.002}}
    return study(tasks, penalties, training={"epochs": 3, "batch_size": 32, "optimizer": optimizer})


def test_what_it_trains_are_the_stored_metrics_to_the_last_digits() -> None:
    """The same seed and order of rows: the applied model reaches what the study measured."""
    definition, bound = _digits(), built_in("digits")
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 4, WEIGHTS)], definition.training, recorder)

    keras.utils.set_random_seed(4)
    model = apply(bound.build_model(), _best(definition, WEIGHTS, ("digit", "parity")))
    data = bound.load_data()
    for epoch in range(3):
        order = np.random.default_rng([4, epoch]).permutation(len(data.train[0]))
        y = {name: target[order] for name, target in data.train[1].items()}
        model.fit(data.train[0][order], y, epochs=1, shuffle=False, batch_size=32, verbose=0)
    measured = model.evaluate(*data.validation, batch_size=32, verbose=0, return_dict=True)
    counted = ("digit.f1", "parity.auc")
    stored = {path: value for path, value in recorder.values(0, 3).items() if path not in counted}
    assert set(stored) < set(measured)
    assert {path: measured[path] for path in stored} == pytest.approx(stored, abs=1e-3)


def test_a_penalty_is_trained_and_is_not_by_compile_alone() -> None:
    definition, bound = _digits(), built_in("digits")
    best = _best(definition, {**WEIGHTS, "agreement": 20.0}, ("digit", "parity"))
    assert best["reproduced_by"] == "compile_and_penalties"
    keras.utils.set_random_seed(0)
    whole, alone = apply(bound.build_model(), best), bound.build_model()
    losses = {"digit": "sparse_categorical_crossentropy", "parity": "binary_crossentropy"}
    alone.compile(optimizer="adam", loss=losses, loss_weights=best["loss_weights"])
    data = bound.load_data()
    x, y = data.train
    for model in (whole, alone):
        model.fit(x, y, epochs=3, batch_size=64, verbose=0)
    gaps = []
    for model in (whole, alone):
        outputs = model.predict(data.validation[0], verbose=0)
        gaps.append(np.mean(np.abs(outputs["digit"][:, 1::2].sum(axis=1) - outputs["parity"][:, 0])))
    assert gaps[0] < 0.5 * gaps[1]


def test_the_model_itself_is_compiled_where_that_is_enough() -> None:
    definition = _digits(penalties=())
    weights = {"digit.error": 1.0, "parity.error": 0.3}
    best = _best(definition, weights, ("digit", "parity"))
    assert best["reproduced_by"] == "compile"
    bound = built_in("digits")
    model = bound.build_model()
    tuned = apply(model, best)
    assert tuned is model
    assert float(tuned.optimizer.learning_rate) == pytest.approx(0.002)
    x, y = bound.load_data().validation
    measured = tuned.evaluate(x, y, batch_size=len(x), verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(measured["digit_loss"] + 0.3 * measured["parity_loss"], rel=1e-5)
    probabilities = tuned.predict(x, verbose=0)
    assert measured["digit_accuracy"] == pytest.approx(np.mean(probabilities["digit"].argmax(axis=1) == y["digit"]), rel=1e-5)
    assert measured["digit_loss"] == pytest.approx(-np.log(probabilities["digit"][range(len(x)), y["digit"]]).mean(), rel=1e-4)


def test_an_output_without_a_loss_and_one_with_two_are_compiled() -> None:
    losses = [{"name": "mse", "loss": "mse"}, {"name": "mae", "loss": "mae", "weight": {"low": 0.1, "high": 1}}]
    definition = study([{"name": "a", "losses": losses}])
    weights = {"a.mse": 1.0, "a.mae": 0.5}
    best = _best(definition, weights, ("a", "b"))
    assert (best["reproduced_by"], best["loss_weights"]) == ("compile", {"a": [1.0, 0.5], "b": None})
    model = apply(linear({"a": 1, "b": 1})(), best, optimizer="sgd")
    x, y = rows(8, a=1, b=1)
    error = y["a"] - model.predict(x, verbose=0)["a"]
    measured = model.evaluate(x, y, verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(np.mean(error**2) + 0.5 * np.mean(np.abs(error)), rel=1e-4)
    assert type(model.optimizer).__name__ == "SGD"


def test_a_single_output_is_compiled() -> None:
    definition = study([task("a")])
    best = _best(definition, {"a.error": 2.0}, ("a",))
    x, y = rows(8, a=1)
    inputs = keras.Input((3,))
    for outputs, target in ((keras.layers.Dense(1, name="a")(inputs), y["a"]), ({"a": keras.layers.Dense(1)(inputs)}, y)):
        model = apply(keras.Model(inputs, outputs), best)
        found = model.predict(x, verbose=0)
        error = y["a"] - (found["a"] if isinstance(found, dict) else found)
        assert model.evaluate(x, target, verbose=0, return_dict=True)["loss"] == pytest.approx(2 * np.mean(error**2), rel=1e-4)


def test_metrics_of_padded_steps_leave_the_padding_to_keras() -> None:
    words = np.array([[3, 1, 0, 0], [2, 2, 1, 0], [4, 0, 0, 0]])
    inputs = keras.Input((4,), dtype="int32")
    features = keras.layers.Embedding(5, 2, mask_zero=True)(inputs)
    definition = study([task("tag", metrics=["mae"])])
    best = _best(definition, {"tag.error": 1.0}, ("tag",))
    model = apply(keras.Model(inputs, {"tag": keras.layers.Dense(1)(features)}), best)
    target = np.arange(12.0).reshape(3, 4, 1)
    model.run_eagerly = True
    measured = model.evaluate(words, {"tag": target}, verbose=0, return_dict=True)
    error = (target - np.asarray(model(words)["tag"]))[..., 0][words != 0]
    assert measured["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert measured["loss"] == pytest.approx(np.square(error).mean(), rel=1e-5)


def test_a_subclassed_model_columns_own_targets_sample_weights_and_regularisers_are_trained_the_same() -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2, kernel_regularizer="l2")

        def call(self, x: Any) -> Any:
            return {"both": self.dense(x)}

    tasks = [task("a", output="both", column=0, target="t"), task("b", "mae", output="both", column=1, target="u")]
    definition = study(tasks, training={"epochs": 2, "batch_size": 8})
    x, y = rows(20, t=1, u=1)
    row_weight = {"t": np.linspace(0, 1, 20)}
    bound = workload(Two, (x, y, row_weight))
    engine, recorder = engine_of(definition, bound), Recorder()
    weights = {"a.error": 1.0, "b.error": 0.5}
    engine.train(settings(weights), definition.training, recorder)
    keras.utils.set_random_seed(0)
    model = apply(Two(), _best(definition, weights, ("both",)))
    for epoch in range(2):
        order = np.random.default_rng([0, epoch]).permutation(20)
        y_of, weight_of = {name: target[order] for name, target in y.items()}, {"t": row_weight["t"][order], "u": np.ones(20)}
        model.fit(x[order], y_of, sample_weight=weight_of, epochs=1, shuffle=False, batch_size=8, verbose=0)
    for ours, theirs in zip(model.weights, engine.variables()[:2], strict=False):
        np.testing.assert_allclose(np.asarray(ours), theirs, atol=1e-5)


def test_a_term_of_weight_0_is_left_out() -> None:
    definition = study([task("a")], [{"name": "own", "penalty": "endless", "weight": {"low": 0, "high": 1}}])
    own = SimpleNamespace(penalties={"endless": lambda batch: ops.sum(batch.outputs["a"]) * np.inf})
    model = apply(
        linear({"a": 1})(), _best(definition, {"a.error": 1.0, "own": 0.0}, ("a",)) | {"reproduced_by": "custom_loss"}, workload=own
    )
    x, y = rows(8, a=1)
    model.fit(x, y, verbose=0)
    assert np.isfinite(np.asarray(model.weights[0])).all()


def test_terms_of_the_workloads_own_need_the_workload() -> None:
    definition = study([{"name": "a", "losses": [{"name": "own", "loss": "margin"}]}])
    best = _best(definition, {"a.own": 1.0}, ("a",), own=["margin"])
    with pytest.raises(ValueError, match=r"a\.own: terms of the workload's own\. Give it: apply\(model, best, workload="):
        apply(linear({"a": 1})(), best)
    own = SimpleNamespace(losses={"margin": lambda batch: ops.mean(ops.square(batch.outputs["a"] - batch.targets["a"]))})
    x, y = rows(8, a=1)
    model = apply(linear({"a": 1})(), best, workload=own)
    assert model.evaluate(x, y, verbose=0, return_dict=True)["a.own"] > 0


def test_a_model_without_a_trained_output_is_refused_by_name() -> None:
    best = _best(_digits(), WEIGHTS, ("digit", "parity"))
    with pytest.raises(
        ValueError, match=r"the study trained the output 'parity', the model has digit, party \(did you mean 'party'\?\)"
    ):
        apply(linear({"digit": 10, "party": 1})(), best)


def test_the_winners_learning_rate_and_gamma_are_trained() -> None:
    ranges = {"learning_rate": {"low": 1e-4, "high": 1.0}}
    focal = {"name": "focal", "loss": "binary_focal_crossentropy", "config": {"gamma": {"low": 0.5, "high": 5.0}}}
    training = {"epochs": 2, "batch_size": 10, "optimizer": {"name": "adam", "config": ranges}}
    definition = study([{"name": "a", "losses": [{**focal, "weight": {"low": 0.1, "high": 1}}]}], training=training)
    bound = workload(linear({"a": 1}, activations={"a": "sigmoid"}), rows(a=np.arange(20)[:, None] % 2))
    drawn = {"a.focal.gamma": 0.7, "optimizer.learning_rate": 0.3}
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 2, {"a.focal": 1.0}, arguments=drawn)], definition.training, recorder)

    keras.utils.set_random_seed(2)
    tuned = apply(bound.build_model(), _best(searched_arguments.substitute(definition, drawn), {"a.focal": 1.0}, ("a",)))
    x, y = bound.load_data()["train"]
    for epoch in range(2):
        order = np.random.default_rng([2, epoch]).permutation(20)
        tuned.fit(x[order], {"a": y["a"][order]}, epochs=1, shuffle=False, batch_size=10, verbose=0)
    assert tuned.evaluate(x, y, batch_size=10, verbose=0) == pytest.approx(recorder.values(0, 2)["a.focal"], rel=1e-5)
