"""The workload `quadratics`: two bowls over one shared point, whose best point is known for every pair of weights.

For what has to be known exactly: trained long enough, the point of a study with weights w_a, w_b is the one that `optimum` says,
and all such points together are the whole Pareto front, since both losses are convex. Made for SGD with a step below
2 / (greatest w_a * curvature + w_b * curvature of a coordinate), above which it diverges.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from search.workloads.base import Data, Split

ROWS = 8
"""Rows of every split: all are the same, so that batches of any size have the same gradient."""

Coordinates = tuple[float, ...]
Vector = NDArray[np.float64]


class QuadraticsOptions(BaseModel):
    """What a study may set of `quadratics`: all four have one number a coordinate of the point."""

    curvature_a: Coordinates = Field(default=(1.0, 4.0), description="Curvature of task a along each coordinate, above 0.")
    curvature_b: Coordinates = Field(default=(2.0, 1.0), description="Curvature of task b along each coordinate, above 0.")
    centre_a: Coordinates = Field(default=(0.0, 0.0), description="Where task a's loss is 0.")
    centre_b: Coordinates = Field(default=(1.0, 1.0), description="Where task b's loss is 0.")

    @model_validator(mode="after")
    def _check(self) -> QuadraticsOptions:
        sizes = {len(each) for each in (self.curvature_a, self.curvature_b, self.centre_a, self.centre_b)}
        if len(sizes) != 1 or 0 in sizes:
            raise ValueError(f"expected as many numbers in each of curvature and centre, one or more, got {sorted(sizes)}")
        if not all(0 < curvature < math.inf for curvature in (*self.curvature_a, *self.curvature_b)):
            raise ValueError(f"expected curvatures above 0, got {self.curvature_a} and {self.curvature_b}")
        return self


class Quadratics:
    """`a` and `b` [batch, coordinates]: one trainable point, in each task's own units, on every row.

    In those units `mean_squared_error` against the task's targets is 1/2 sum_j A_j (point_j - c_j)^2 with the task's curvatures A
    and centre c. The point begins at random, by the trial's seed.
    """

    Options = QuadraticsOptions

    def __init__(self, options: QuadraticsOptions) -> None:
        self.options = options

    def build_model(self) -> keras.Model:
        ones = keras.Input((1,), name="ones")
        width = len(self.options.centre_a)
        point: Any = keras.layers.Dense(width, use_bias=False, kernel_initializer="random_normal", name="point")(ones)
        outputs = {
            task: keras.layers.Rescaling(units(curvature).tolist(), name=task)(point)
            for task, curvature in (("a", self.options.curvature_a), ("b", self.options.curvature_b))
        }
        return keras.Model(ones, outputs)

    def load_data(self) -> Data:
        options = self.options
        ones = np.ones((ROWS, 1), np.float32)
        targets = {
            task: np.tile(units(curvature) * centre, (ROWS, 1)).astype(np.float32)
            for task, curvature, centre in (
                ("a", options.curvature_a, options.centre_a),
                ("b", options.curvature_b, options.centre_b),
            )
        }
        rows: Split = (ones, targets)
        return Data(train=rows, validation=rows, test=rows)


def units(curvature: Coordinates) -> Vector:
    """Return the factors s_j that make mean_j (s_j x_j)^2 of the d coordinates 1/2 sum_j A_j x_j^2: s_j = sqrt(d A_j / 2)."""
    return np.sqrt(len(curvature) * np.asarray(curvature, np.float64) / 2)


def optimum(options: QuadraticsOptions, weight_a: float, weight_b: float) -> Vector:
    """Return the point where weight_a L_a + weight_b L_b is least: (w_a A_a + w_b A_b)^-1 (w_a A_a c_a + w_b A_b c_b).

    Both curvature matrices are diagonal. Weights are 0 or more, not both 0.
    """
    pull_a, pull_b = weight_a * np.asarray(options.curvature_a), weight_b * np.asarray(options.curvature_b)
    point: Vector = (pull_a * np.asarray(options.centre_a) + pull_b * np.asarray(options.centre_b)) / (pull_a + pull_b)
    return point


def losses_at(options: QuadraticsOptions, point: Vector) -> tuple[float, float]:
    """Return L_a and L_b at a point: 1/2 sum_j A_j (point_j - c_j)^2 each."""
    offset_a, offset_b = point - np.asarray(options.centre_a), point - np.asarray(options.centre_b)
    return (
        float(np.sum(np.asarray(options.curvature_a) * offset_a**2) / 2),
        float(np.sum(np.asarray(options.curvature_b) * offset_b**2) / 2),
    )
