"""Distillation: labels, and a teacher's probabilities as a second target of the same output."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
x = draw.normal(size=(500, 8)).astype("float32")
scores = x @ draw.normal(size=(8, 4))
label = (scores + draw.normal(size=scores.shape)).argmax(axis=1)
teacher = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def soft(batch):
    """Cross-entropy against the teacher, one value a row."""
    return keras.losses.categorical_crossentropy(batch.targets["teacher"], batch.outputs["student"])


inputs = keras.Input((8,))
student = keras.layers.Dense(4, activation="softmax")(keras.layers.Dense(16, activation="relu")(inputs))
model = keras.Model(inputs, {"student": student})
model.compile("adam", loss={"student": "sparse_categorical_crossentropy"}, metrics={"student": ["accuracy"]})

result = steelyard.search(
    model,
    x,
    {"student": label, "teacher": teacher.astype("float32")},
    penalties={"soft": soft},
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").penalty_weights)
