"""The workload `digits`: which digit is it, and is it odd? Two correlated outputs over scikit-learn's bundled 8x8 digits."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits

from search.workloads.base import Data

SPLIT_SEED = 0
FRACTIONS = (0.64, 0.8)
"""Where validation and test begin, as shares of the shuffled rows."""


class DigitsOptions(BaseModel):
    """What a study may set of `digits`."""

    model: Literal["mlp", "cnn"] = Field(
        default="mlp", description="A multilayer perceptron, or two convolutions and a dense layer."
    )
    hidden: tuple[int, ...] = Field(default=(64, 64), min_length=1, max_length=8, description="Widths of the mlp's hidden layers.")


class Digits:
    """1,797 digits: `digit` [batch, 10] (softmax) and `parity` [batch, 1] (sigmoid, 1 is odd) from 64 gray values in [0, 1]."""

    Options = DigitsOptions

    def __init__(self, options: DigitsOptions) -> None:
        self.options = options

    def build_model(self) -> keras.Model:
        inputs = keras.Input((64,), name="pixels")
        features = self._mlp(inputs) if self.options.model == "mlp" else self._cnn(inputs)
        outputs = {
            "digit": keras.layers.Dense(10, activation="softmax", name="digit")(features),
            "parity": keras.layers.Dense(1, activation="sigmoid", name="parity")(features),
        }
        return keras.Model(inputs, outputs)

    def _mlp(self, features: Any) -> Any:
        for width in self.options.hidden:
            features = keras.layers.Dense(width, activation="relu")(features)
        return features

    def _cnn(self, features: Any) -> Any:
        features = keras.layers.Reshape((8, 8, 1))(features)
        for filters in (16, 32):
            features = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(features)
            features = keras.layers.MaxPooling2D()(features)
        return keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(features))

    def load_data(self) -> Data:
        pixels, labels = shuffled_digits()
        bounds = [int(share * len(labels)) for share in FRACTIONS]
        parts = zip(np.split(pixels, bounds), np.split(labels, bounds), strict=True)
        train, validation, test = ((x, {"digit": y, "parity": (y % 2)[:, None]}) for x, y in parts)
        return Data(train, validation, test)


def shuffled_digits() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return all digits, [rows, 64] in [0, 1], and their labels [rows], in an order that is always the same."""
    bundled = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(bundled.target))
    return (bundled.data[order] / 16).astype(np.float32), bundled.target[order].astype(np.int32)
