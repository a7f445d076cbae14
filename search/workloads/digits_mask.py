"""The workload `digits-mask`: which pixels of a noisy digit are ink, and how much of the image is? Parts and their whole.

The mean of the mask is the ink fraction by definition, so the penalty `hierarchy` with `reduce` "mean" should be 0 between the two.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from search.workloads.base import Data, Split
from search.workloads.digits import FRACTIONS, SPLIT_SEED, shuffled_digits

INK = 0.5
"""Gray value above which a pixel of the clean digit is ink."""
NOISE = 0.35
"""Standard deviation of the noise on the pixels."""


class DigitsMask:
    """`mask` [batch, 8, 8, 1] (sigmoid, is it ink?) and `object` [batch, 1] (sigmoid, the share of ink) from a noisy 8x8 digit."""

    def build_model(self) -> keras.Model:
        inputs = keras.Input((8, 8, 1), name="image")
        features = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
        pooled = keras.layers.GlobalAveragePooling2D()(features)
        outputs = {
            "mask": keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="mask")(features),
            "object": keras.layers.Dense(1, activation="sigmoid", name="object")(pooled),
        }
        return keras.Model(inputs, outputs)

    def load_data(self) -> Data:
        pixels, _ = shuffled_digits()
        random = np.random.default_rng(SPLIT_SEED)
        noise = random.normal(0.0, NOISE, pixels.shape).astype(np.float32)
        bounds = [int(share * len(pixels)) for share in FRACTIONS]
        parts = zip(np.split(pixels, bounds), np.split(noise, bounds), strict=True)
        train, validation, test = (_split(*part) for part in parts)
        return Data(train, validation, test)


def _split(pixels: NDArray[np.float32], noise: NDArray[np.float32]) -> Split:
    ink = (pixels > INK).astype(np.float32).reshape(-1, 8, 8, 1)
    noisy = np.clip(pixels + noise, 0.0, 1.0).reshape(-1, 8, 8, 1)
    return noisy, {"mask": ink, "object": ink.mean(axis=(1, 2))}
