"""Workloads for benchmarks, registered with a service through STEELYARD_WORKLOADS: Multi-MNIST, twins, a compute-bound CNN.

Their default options are small, because a worker opens every workload with its defaults when it starts.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from search.workloads.base import Data, Split
from search.workloads.digits import FRACTIONS, shuffled_digits

SEED = 0
MNIST = 28
CANVAS, SHIFT = 36, 6
MEAN, SPREAD = 0.1307, 0.3081
BOUNDS = (50 / 63, 60 / 63)
"""Where the images of validation and test begin: 50,000, 10,000 and what is left, of 63,000."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int32]


class MultiMnistOptions(BaseModel):
    """What a study may set of `multi-mnist`."""

    file: str | None = Field(default=None, description="An .npz of MNIST: X [images, 28, 28] uint8, y [images]. None: synthetic.")
    rows: int = Field(default=500, ge=5, description="Composites of the train split; validation and test have a fifth of it each.")


class MultiMnist:
    """Multi-MNIST CL_RR: `left` [batch, 10] (softmax) and `right` [batch, 784] (linear), from [batch, 28, 28, 1].

    Two digits lie on a canvas of 36 x 36, the left one at (0, 0), the right one at (6, 6), the greater value where they overlap;
    the canvas is shrunk to 28 x 28. Classify the left digit, reconstruct the right one. The model is a LeNet; the problem and its
    published fixed weights (0.1007, 0.8993) are those of Gama & Grassi 2025, arXiv 2505.10347.
    """

    Options = MultiMnistOptions

    def __init__(self, options: MultiMnistOptions) -> None:
        self.options = options

    def build_model(self) -> keras.Model:
        canvas = keras.Input((MNIST, MNIST, 1), name="canvas")
        features: Any = canvas
        for filters in (10, 20):
            features = keras.layers.MaxPooling2D()(keras.layers.Conv2D(filters, 5, activation="relu")(features))
        features = keras.layers.Dense(50, activation="relu")(keras.layers.Flatten()(features))
        left = keras.layers.Dense(50, activation="relu")(features)
        right = keras.layers.Dense(256, activation="relu")(features)
        outputs = {
            "left": keras.layers.Dense(10, activation="softmax", name="left")(left),
            "right": keras.layers.Dense(MNIST * MNIST, name="right")(right),
        }
        return keras.Model(canvas, outputs)

    def load_data(self) -> Data:
        rows = self.options.rows
        random = np.random.default_rng(SEED)
        images, labels = self._images(random)
        bounds = [int(share * len(images)) for share in BOUNDS]
        parts = zip(np.split(images, bounds), np.split(labels, bounds), (rows, rows // 5, rows // 5), strict=True)
        train, validation, test = (_composites(random, *part) for part in parts)
        return Data(train, validation, test)

    def _images(self, random: np.random.Generator) -> tuple[Images, Labels]:
        if self.options.file is None:
            return synthetic_digits(random, min(63_000, 63 * max(1, self.options.rows // 50)))
        with np.load(self.options.file) as bundled:
            images: Images = bundled["X"]
            labels: Labels = bundled["y"][: len(images)].astype(np.int32)
        return images, labels


def synthetic_digits(random: np.random.Generator, count: int) -> tuple[Images, Labels]:
    """Return `count` images [count, 28, 28] of ten kinds, a coarse pattern under noise each, and their kinds."""
    labels = (np.arange(count) % 10).astype(np.int32)
    patterns = random.integers(0, 200, (10, MNIST // 4, MNIST // 4), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    images: Images = patterns[labels] + random.integers(0, 50, (count, MNIST, MNIST), np.uint8)
    return images, labels


def _composites(random: np.random.Generator, images: Images, labels: Labels, count: int) -> Split:
    left, right = random.integers(0, len(images), (2, count))
    canvas = np.zeros((count, CANVAS, CANVAS), np.uint8)
    canvas[:, :MNIST, :MNIST] = images[left]
    under = canvas[:, SHIFT : SHIFT + MNIST, SHIFT : SHIFT + MNIST]
    np.maximum(under, images[right], out=under)
    nearest = ((np.arange(MNIST) + 0.5) * CANVAS / MNIST).astype(int)
    shrunk = canvas[:, nearest][:, :, nearest]
    return _normalised(shrunk)[..., None], {"left": labels[left], "right": _normalised(images[right]).reshape(count, -1)}


def _normalised(pixels: Images) -> NDArray[np.float32]:
    return ((pixels.astype(np.float32) / 255 - MEAN) / SPREAD).astype(np.float32, copy=False)


class TwinDigits:
    """`one` and `other` [batch, 10] (softmax): which digit is it, asked twice of one trunk [batch, 64] over 8x8 digits.

    Both tasks have the same targets, and their heads are alike, so that their trunk gains nothing from either more than from both.
    """

    def build_model(self) -> keras.Model:
        pixels = keras.Input((64,), name="pixels")
        features = keras.layers.Dense(64, activation="relu")(keras.layers.Dense(64, activation="relu")(pixels))
        return keras.Model(
            pixels, {name: keras.layers.Dense(10, activation="softmax", name=name)(features) for name in ("one", "other")}
        )

    def load_data(self) -> Data:
        pixels, labels = shuffled_digits()
        bounds = [int(share * len(labels)) for share in FRACTIONS]
        parts = zip(np.split(pixels, bounds), np.split(labels, bounds), strict=True)
        train, validation, test = ((rows, {"one": classes, "other": classes}) for rows, classes in parts)
        return Data(train, validation, test)


class PicturesOptions(BaseModel):
    """What a study may set of `pictures`."""

    frozen: bool = Field(default=False, description="Leave the trunk as it is, and train the two heads alone.")
    rows: int = Field(default=64, ge=4, description="Pictures of the train split; validation has a quarter of it.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of a picture's values that training drops before the trunk.")


class Pictures:
    """`kind` [batch, 10] (softmax) and `colour` [batch, 3] (linear) from synthetic pictures [batch, 32, 32, 3].

    Four convolutions and a dense layer, 3.5 million parameters: what bounds a step is the convolution itself.
    """

    Options = PicturesOptions
    SIDE = 32

    def __init__(self, options: PicturesOptions) -> None:
        self.options = options

    def build_model(self) -> keras.Model:
        pictures = keras.Input((self.SIDE, self.SIDE, 3), name="pictures")
        trunk = self._trunk()
        trunk.trainable = not self.options.frozen
        features = trunk(keras.layers.Dropout(self.options.dropout)(pictures) if self.options.dropout else pictures)
        heads = {name: keras.layers.Dense(64, activation="relu")(features) for name in ("kind", "colour")}
        outputs = {
            "kind": keras.layers.Dense(10, activation="softmax", name="kind")(heads["kind"]),
            "colour": keras.layers.Dense(3, name="colour")(heads["colour"]),
        }
        return keras.Model(pictures, outputs)

    def _trunk(self) -> keras.Model:
        pictures = keras.Input((self.SIDE, self.SIDE, 3))
        features: Any = pictures
        for filters in (64, 128):
            for _ in range(2):
                features = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(features)
            features = keras.layers.MaxPooling2D()(features)
        features = keras.layers.Dense(384, activation="relu")(keras.layers.Flatten()(features))
        return keras.Model(pictures, features, name="trunk")

    def load_data(self) -> Data:
        random = np.random.default_rng(SEED)
        patterns = random.normal(size=(10, self.SIDE, self.SIDE, 3)).astype(np.float32)
        train, validation = (_pictures(random, patterns, rows) for rows in (self.options.rows, self.options.rows // 4))
        return Data(train, validation)


def _pictures(random: np.random.Generator, patterns: NDArray[np.float32], rows: int) -> Split:
    kinds = random.integers(0, len(patterns), rows).astype(np.int32)
    colours = random.normal(size=(rows, 3)).astype(np.float32)
    noise = random.normal(size=(rows, *patterns.shape[1:])).astype(np.float32)
    return patterns[kinds] + noise + colours[:, None, None, :], {"kind": kinds, "colour": colours}
