"""The workload `digits-overlay`: two digits lie over each other. Classify the left one, reconstruct the right one.

The small form of Multi-MNIST CL_RR (classification left, reconstruction right; Gama & Grassi 2025, arXiv 2505.10347), in which the
best fixed weights of the two losses lie far from equal ones. Made for batch size 64, 25 epochs, Adam with learning rate 0.002.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from search.workloads.base import Data, Split
from search.workloads.digits import FRACTIONS, SPLIT_SEED, shuffled_digits

ROWS = (6000, 2000, 2000)
"""Composites of the train, validation and test split."""
SIZE, SHIFT = 11, 3


class DigitsOverlay:
    """`left` [batch, 10] (softmax) and `right` [batch, 64] (linear) from an 11x11 canvas.

    The left digit lies at (0, 0), the right one at (3, 3), the greater value where they overlap. The digits that train, validation
    and test composites are made of are disjoint.
    """

    def build_model(self) -> keras.Model:
        inputs = keras.Input((SIZE * SIZE,), name="canvas")
        features = keras.layers.Dense(64, activation="relu")(inputs)
        features = keras.layers.Dense(32, activation="relu")(features)
        outputs = {
            "left": keras.layers.Dense(10, activation="softmax", name="left")(features),
            "right": keras.layers.Dense(64, name="right")(features),
        }
        return keras.Model(inputs, outputs)

    def load_data(self) -> Data:
        pixels, labels = shuffled_digits()
        bounds = [int(share * len(labels)) for share in FRACTIONS]
        parts = zip(np.split(pixels, bounds), np.split(labels, bounds), ROWS, strict=True)
        random = np.random.default_rng(SPLIT_SEED)
        train, validation, test = (_composites(random, part, classes, count) for part, classes, count in parts)
        return Data(train, validation, test)


def _composites(random: np.random.Generator, pixels: NDArray[np.float32], labels: NDArray[np.int32], count: int) -> Split:
    left, right = random.integers(0, len(pixels), (2, count))
    canvas = np.zeros((count, SIZE, SIZE), np.float32)
    canvas[:, :8, :8] = pixels[left].reshape(-1, 8, 8)
    under = canvas[:, SHIFT:, SHIFT:]
    np.maximum(under, pixels[right].reshape(-1, 8, 8), out=under)
    return canvas.reshape(count, -1), {"left": labels[left], "right": pixels[right]}
