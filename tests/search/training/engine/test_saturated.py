"""Where a probability rounds to 0 or 1, cross-entropies stay those of `fit`, which Keras takes of the logits."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from search.training.problem.seeding import epoch_order
from tests.search.training.scenes import Recorder, engine_of, linear, rows, settings, study, task, workload

FAR = 300.0
"""Scale of the inputs: logits of some hundreds, far past where 1 - p is 0 in float32."""


@pytest.mark.parametrize(
    ("loss", "activation", "width"), [("binary_crossentropy", "sigmoid", 1), ("sparse_categorical_crossentropy", "softmax", 4)]
)
@pytest.mark.parametrize("strategy", ["vectorized", "serial"])
def test_a_saturated_output_trains_as_under_fit(loss: str, activation: str, width: int, strategy: str) -> None:
    x, _ = rows(20)
    labels = np.random.default_rng(2).integers(0, max(width, 2), (20, 1) if width == 1 else (20,))
    bound = workload(linear({"a": width}, activations={"a": activation}), (x * FAR, {"a": labels}))
    training: dict[str, Any] = {"epochs": 1, "batch_size": 10, "optimizer": {"name": "sgd", "config": {"learning_rate": 0.001}}}
    definition = study([task("a", loss)], training=training)
    engine, recorder = engine_of(definition, bound, strategy, 2), Recorder()
    engine.train(settings({"a.error": 1.0}), definition.training, recorder)

    keras.utils.set_random_seed(0)
    model = bound.build_model()
    model.compile(keras.optimizers.SGD(0.001), loss={"a": loss})
    order = epoch_order(0, 0, 20)
    fitted = model.fit((x * FAR)[order], {"a": labels[order]}, batch_size=10, shuffle=False, verbose=0).history["loss"][0]
    assert fitted > 20, "a clipped probability has a cross-entropy of at most 16"
    assert recorder.values(0, 1, "train")["a.error"] == pytest.approx(fitted, rel=1e-5)
    for ours, theirs in zip(engine.variables(0)[:-1], model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
