"""Intents within domains: few rows say the intent, all say the domain. 16 numbers a row, made up.

STEELYARD_WORKLOADS=taxonomy=taxonomy steelyard serve --workers 1
"""

import keras
import numpy as np

INTENTS, DOMAINS = 6, 3
DOMAIN_OF = np.array([0, 0, 1, 1, 2, 2])


def build_model():
    inputs = keras.Input((16,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    heads = {"intent": keras.layers.Dense(INTENTS, "softmax")(hidden), "domain": keras.layers.Dense(DOMAINS, "softmax")(hidden)}
    return keras.Model(inputs, heads)


def load_data():
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(INTENTS, 16))

    def rows(count, labelled):
        intent = draw.integers(0, INTENTS, count)
        x = (centres[intent] + 1.5 * draw.normal(size=(count, 16))).astype("float32")
        said = np.where(draw.random(count) < labelled, intent, -1)  # -1: nobody said which
        return x, {"intent": said, "domain": DOMAIN_OF[intent]}

    return {"train": rows(600, 0.2), "validation": rows(300, 1.0), "test": rows(300, 1.0)}
