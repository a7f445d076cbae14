"""The shortest workload: a table with two columns to be predicted. Replace `table` by yours.

STEELYARD_WORKLOADS=table=table steelyard serve --workers 1      (from this folder)
"""

import keras
import numpy as np

table = np.random.default_rng(0).normal(size=(600, 8)).astype("float32")
heating, cooling = table[:, :4].sum(1, keepdims=True), table[:, 3:].sum(1, keepdims=True) ** 2


def build_model():
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(32, activation="relu")(inputs)
    return keras.Model(inputs, {"heating": keras.layers.Dense(1)(hidden), "cooling": keras.layers.Dense(1)(hidden)})


def load_data():
    def part(rows):
        return table[rows], {"heating": heating[rows], "cooling": cooling[rows]}

    return {"train": part(slice(0, 400)), "validation": part(slice(400, 500)), "test": part(slice(500, 600))}
