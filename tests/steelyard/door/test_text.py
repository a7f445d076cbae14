"""A model that reads text is trained as `fit` trains it, with the vocabularies that it was adapted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.training.engine.registry import made_engine
from search.training.interface import Setting
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload
from search.training.user.brought import Brought
from search.workloads.base import bind
from steelyard.check.compare import EpochRecorder
from steelyard.door.call import SearchCall, understood, write_folder
from steelyard.door.compose import composed, normalised
from steelyard.door.training import fresh_model
from steelyard.searching import search

DRAW = np.random.default_rng(0)
WORDS = np.array([" ".join(DRAW.choice(["good", "bad", "fine", "film"], 4)) for _ in range(40)])
COLOURS = np.array(["red", "blue"] * 20, object)[:, None]
X = {"words": WORDS, "colour": COLOURS}
Y = {"a": DRAW.normal(size=(40, 1)).astype("float32"), "b": (COLOURS == "red").astype("float32")}
WEIGHTS = {"a.mean_squared_error": 0.5, "b.binary_crossentropy": 2.0}
SEED, EPOCHS, BATCH = 3, 2, 16


def reader(known: Any = WORDS) -> keras.Model:
    tokens = keras.layers.TextVectorization(output_sequence_length=4)
    tokens.adapt(known)
    colours = keras.layers.StringLookup(output_mode="one_hot")
    colours.adapt(COLOURS)
    words, colour = keras.Input((1,), dtype="string", name="words"), keras.Input((1,), dtype="string", name="colour")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(8, 3)(tokens(words)))
    hidden = keras.layers.Concatenate()([pooled, colours(colour)])
    model = keras.Model(
        {"words": words, "colour": colour},
        {"a": keras.layers.Dense(1)(hidden), "b": keras.layers.Dense(1, activation="sigmoid")(hidden)},
    )
    model.compile(keras.optimizers.RMSprop(0.01), {"a": "mse", "b": "binary_crossentropy"}, metrics={"b": ["accuracy"]})
    return model


@pytest.fixture(scope="module")
def called() -> SearchCall:
    defaults = {**search.__kwdefaults__, "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False}
    return understood({**defaults, "model": reader(), "x": X, "y": Y})


def fitted(call: SearchCall) -> dict[str, float]:
    """Return what plain Keras measures on the last rows after `fit(shuffle=False)` on the others."""
    model = fresh_model(call, SEED)
    losses = {"a": "mse", "b": "binary_crossentropy"}
    weights = {"a": WEIGHTS["a.mean_squared_error"], "b": WEIGHTS["b.binary_crossentropy"]}
    model.compile(keras.optimizers.RMSprop(0.01), losses, loss_weights=weights, metrics={"b": ["accuracy"]})
    text: Any = {"words": tf.constant(WORDS), "colour": tf.constant(COLOURS.astype(str))}
    first, last = ({name: each[rows] for name, each in {**text, **Y}.items()} for rows in (slice(32), slice(32, None)))

    def parts(rows: Any) -> Any:
        return {name: rows[name] for name in text}, {name: rows[name] for name in Y}

    model.fit(*parts(first), batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    found = model.evaluate(*parts(last), batch_size=8, verbose=0, return_dict=True)
    return {"a.mean_squared_error": found["a_loss"], "b.binary_crossentropy": found["b_loss"], "b.accuracy": found["b_accuracy"]}


def test_text_and_rows_in_their_order_are_trained_as_under_fit(called: SearchCall, tmp_path: Path) -> None:
    folder = tmp_path / "written"
    folder.mkdir(mode=0o700)
    write_folder(called, folder)
    definition = normalised(called, composed(called, folder, None)[0]).definition
    problem = TrainingProblem(definition, LoadedWorkload(bind("written", Brought(folder), {})))
    recorder = EpochRecorder()
    settings = [Setting(0, SEED, WEIGHTS), Setting(1, SEED, dict.fromkeys(WEIGHTS, 1.0))]
    made_engine("vectorized", problem, 2).train(settings, definition.training, recorder)
    assert recorder.failure is None
    measured = recorder.reports[EPOCHS].measured()[0].validation
    expected = fitted(called)
    assert {path: measured[path] for path in expected} == pytest.approx(expected, rel=1e-5)


def test_text_in_other_words_is_another_call(called: SearchCall) -> None:
    assert called.splits["train"].inputs["colour"].dtype.kind == "S"
    defaults = {**search.__kwdefaults__, "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False}
    other = understood({**defaults, "model": reader(), "x": {**X, "words": np.char.upper(WORDS)}, "y": Y})
    assert other.parts["data"] != called.parts["data"]
    assert other.parts["model"] == called.parts["model"]


def test_another_vocabulary_is_another_model(called: SearchCall) -> None:
    defaults = {**search.__kwdefaults__, "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False}
    other = understood({**defaults, "model": reader(np.array(["bad good", "film fine fine"])), "x": X, "y": Y})
    assert other.parts["model"] != called.parts["model"]
