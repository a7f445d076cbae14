"""Known curves, and worlds of seeds to train on them: what a search is played on where the truth must be known. Pure functions.

Places are in [0, 1]^d: three decades on a logarithmic scale. Values: greater is better, the best is 0 and the worst about -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curve = Callable[[Array], Array]


def _slope(x: Array, start: float, end: float) -> Array:
    """Return 0 before `start`, 1 after `end`, and a smooth rise between."""
    at = np.clip((x - start) / (end - start), 0, 1)
    return np.asarray(at * at * (3 - 2 * at))


def _lopsided(x: Array) -> Array:
    """Steep below the best place, gentle above."""
    away = x[:, 0] - 0.4
    return np.asarray(-np.minimum(1, np.where(away < 0, (away / 0.2) ** 2, (away / 0.65) ** 2)))


def _two_tops(x: Array) -> Array:
    """Two tops, the second 0.3 lower."""
    first, second = np.exp(-(((x[:, 0] - 0.25) / 0.12) ** 2)), 0.7 * np.exp(-(((x[:, 0] - 0.75) / 0.12) ** 2))
    return np.asarray(np.maximum(first, second) - 1)


def _terrace(x: Array) -> Array:
    """Level for a third of the range, then falling in a straight line."""
    return np.asarray(-np.clip((x[:, 0] - 0.35) / 0.65, 0, 1))


def _beyond_the_end(x: Array) -> Array:
    """Rising to the low end of the range, ever faster: the best lies outside."""
    return np.asarray(-(1 - (1 - x[:, 0]) ** 2))


def _drop(x: Array) -> Array:
    """Level, then a fall within a tenth of the range."""
    return np.asarray(-_slope(x[:, 0], 0.55, 0.65))


def _notch(x: Array) -> Array:
    """Level but for a hole a sixth of the range wide: no run of good values goes across."""
    return np.asarray(-np.exp(-(((x[:, 0] - 0.65) / 0.07) ** 4)))


def _level(x: Array) -> Array:
    return np.zeros(len(x))


def _bowl(x: Array) -> Array:
    """A different width along each parameter."""
    widths = 0.35 + 0.4 * np.arange(x.shape[1])
    return np.asarray(-np.minimum(1, (((x - 0.45) / widths) ** 2).sum(axis=1)))


def _ratio(x: Array) -> Array:
    """Only the ratio of the first two counts, with a tilt along it."""
    return np.asarray(-np.minimum(1, ((x[:, 0] - x[:, 1] + 0.15) / 0.4) ** 2) - 0.2 * x[:, 0])


def _one_counts(x: Array) -> Array:
    """Only the first counts."""
    return _lopsided(x)


CURVES: Mapping[int, Mapping[str, Curve]] = {
    1: {
        "lopsided": _lopsided,
        "two tops": _two_tops,
        "terrace": _terrace,
        "beyond the end": _beyond_the_end,
        "drop": _drop,
        "notch": _notch,
        "level": _level,
    },
    2: {"bowl": _bowl, "ratio": _ratio, "one counts": _one_counts, "level": _level},
    3: {"bowl": _bowl, "ratio": _ratio, "one counts": _one_counts},
}


@dataclass
class World:
    """Trainings under seeds. A seed has an offset (a fifth of the variance) and a luck along the places (a quarter); the rest is a
    training's own, with tails (Student's t, 5 degrees of freedom). The noise is half as large again at the far end of the range.

    The luck is linear between random knots, which is not how the model has it.
    """

    curve: Curve
    noise: float
    dims: int
    rng: np.random.Generator
    _seeds: dict[int, tuple[float, Array, Array]] = field(default_factory=dict)

    KNOTS = 5

    def train(self, place: Array, seed: int) -> float:
        """Return what a training at a place under a seed comes to."""
        if seed not in self._seeds:
            ways = self.rng.normal(size=(3, self.dims))
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            self._seeds[seed] = float(self.rng.normal()), ways, self.rng.normal(size=(3, self.KNOTS))
        offset, ways, heights = self._seeds[seed]
        along = np.clip((ways @ (place - 0.5)) / math.sqrt(self.dims) + 0.5, 0, 1)
        luck = sum(
            float(np.interp(at, np.linspace(0, 1, self.KNOTS), height)) for at, height in zip(along, heights, strict=True)
        ) / math.sqrt(2)
        own = float(self.rng.standard_t(5)) / math.sqrt(5 / 3)
        std = self.noise * (0.85 + 0.4 * float(place[0]))
        return self.true(place) + std * (math.sqrt(0.2) * offset + math.sqrt(0.25) * luck + math.sqrt(0.55) * own)

    def true(self, place: Array) -> float:
        """Return the mean over seeds."""
        return float(self.curve(place[None])[0])

    def profile(self, dim: int, at: Array, steps: int = 61) -> Array:
        """Return the greatest true value with one coordinate held, at each of `at`."""
        if self.dims == 1:
            return self.curve(at[:, None])
        axes = [np.linspace(0, 1, steps)] * (self.dims - 1)
        others = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dims - 1)
        return np.array([float(self.curve(np.insert(others, dim, value, axis=1)).max()) for value in at])
