"""A result's models have the form of the call's model, and take its rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from steelyard.door.call import understood
from steelyard.door.result import Result
from steelyard.searching import search

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = [X[:, :1] * 2, X[:, 1:2]]
DEFAULTS = {**search.__kwdefaults__, "x": None, "y": None}


def unnamed() -> keras.Model:
    """Return a model that returns a list, compiled with losses in a list."""
    inputs = keras.Input((3,))
    made = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    made.compile("adam", ["mse", "mae"])
    return made


def result(model: keras.Model, epoch: str = "last") -> Result:
    """Return the result of a call whose study says 1 and 0.5."""
    call = understood({**DEFAULTS, "model": model, "x": X, "y": Y, "epochs": 2})
    outputs = call.names.outputs
    weights = dict(zip((term.path for term in call.terms), (1.0, 0.5), strict=True))
    tasks = [
        {**task, "losses": [{**loss, "weight": weights[f"{task['name']}.{loss['name']}"]} for loss in task["losses"]]}
        for task in call.tasks.documents
    ]
    best = {
        "trial": 4,
        "seeds": [0],
        "weights": weights,
        "loss_weights": dict(zip(outputs, (1.0, 0.5), strict=True)),
        "reproduced_by": "compile",
        "terms": {"tasks": tasks, "penalties": []},
        "training": {"epochs": 2, "batch_size": 8, "optimizer": dict(call.optimizer)},
        "baselines": {},
    }
    documents = {
        "best": best,
        "study": {"name": "s", "definition": {"objective": {"epoch": epoch}}},
        "trials": [{"number": 4, "best_epoch": 1}],
    }
    memory = {"outputs": list(outputs), "compile_outputs": list(call.names.compile_outputs), "own_losses": [], "weighted": []}
    return Result("s", None, memory, call, documents, pick="tuned")


def test_the_trained_model_and_the_applied_one_take_the_rows_of_the_call() -> None:
    found = result(unnamed())
    for made in (found.fit(), found.apply()):
        predicted = made.predict(X, verbose=0)
        errors = [np.mean((predicted[0] - Y[0]) ** 2), np.mean(np.abs(predicted[1] - Y[1]))]
        by_name = dict(zip(made.output_names, Y, strict=True))
        for y in (Y, by_name):
            assert made.evaluate(X, y, verbose=0)[0] == pytest.approx(errors[0] + 0.5 * errors[1], rel=1e-5)


def test_a_model_whose_layers_have_other_names_is_applied_by_position() -> None:
    first, second = unnamed(), unnamed()
    assert first.output_names != second.output_names
    made = result(first).apply(second)
    assert made.output_names == second.output_names
    assert np.isfinite(made.evaluate(X, Y, verbose=0)[0])


def test_where_the_best_epoch_counts_the_model_is_trained_up_to_it() -> None:
    steps: dict[str, Any] = {epoch: int(result(unnamed(), epoch).fit(unnamed()).optimizer.iterations) for epoch in ("last", "best")}
    assert steps == {"last": 8, "best": 4}  # of 32 training rows, 8 a step
