"""A smooth model of the objective over the searched parameters, from noisy trainings: planning chooses by it, ranges come from it.

    value of a training = constant + curve(place) + offset(seed) + luck(seed, place) + its own noise

`curve` is a Gaussian process with a length for each coordinate. All settings that train under one seed share its offset, and near
settings share its luck. So a search on one shared seed and trainings on fresh seeds enter one model, each for what it shows.

Nothing is fitted: hyperparameters are drawn from broad priors and weighted by their marginal likelihood (Rasmussen and Williams,
"Gaussian Processes for Machine Learning", 2006, sections 2.2 and 5.2). One best guess of them, from 40 noisy values, is too sure of
itself. Pure functions; numpy and scipy.linalg alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LUCK_LENGTH = 1 / 3
"""How far a seed's luck reaches, as a share of a parameter's range: a decade of three."""

LUCK_SHARE = 0.5
"""How much of the variance that settings do not share under one seed is smooth luck; the rest is each training's own."""

UNLIKE = 0.5
"""How far two values of an unordered choice lie apart, as a share of a range."""

LENGTHS, AMPLITUDES, RESTS = (0.1, 3.0), (0.1, 3.0), (0.1, 1.0)
"""Priors, all even on a log scale: lengths in ranges; the curve's and the noise's standard deviation in those of the values."""

WIDE = 3.0
"""Standard deviation of the constant, in standard deviations of the values."""

DRAWS, DRAWS_OF_MANY, MANY = 128, 32, 300
LEAST_WEIGHT = 0.005
LEAST_SQUARED = 1e-100
"""Smaller numbers, and those greater than its inverse, are not squared as they are."""

AT_ONCE = 1000
"""Places whose distances to all trainings are in memory at a time."""


@dataclass(frozen=True, slots=True)
class SeedNoise:
    """Standard deviations over seeds: of one training, and of what is left without the effects of settings and seeds."""

    total: float
    rest: float
    freedom: int  # degrees of freedom of `rest`


@dataclass(frozen=True, slots=True)
class Observations:
    """Trainings: their places [n, d] in ranges (0 to 1 inside), the seed of each and its value, greater ones better.

    `unordered` [d] says which coordinates are values without an order. `noise` where it was measured on repeated settings.
    """

    places: Array
    seeds: NDArray[np.int64]
    values: Array
    unordered: Sequence[bool]
    noise: SeedNoise | None = None


def noise_of(settings: Sequence[int], seeds: Sequence[int], values: Sequence[float]) -> SeedNoise | None:
    """Return the noise of settings that were trained on several seeds, or None where not one was.

    `total`: pooled over settings. `rest`: least squares of setting and seed as additive effects, so that seeds may be missing;
    where no two settings share seeds, half of the variance, as the model has it.
    """
    unit = _unit(values)
    one, two, y = np.asarray(settings), np.asarray(seeds), np.asarray(values, float) / unit
    kinds, starts = np.unique(one), np.unique(two)
    freedom = len(y) - len(kinds)
    effects = np.hstack([one[:, None] == kinds, two[:, None] == starts]).astype(float)
    fitted, _, rank, _ = np.linalg.lstsq(effects, y, rcond=None)
    left = len(y) - int(rank)
    if freedom < 1:
        return None
    total = sum(float(((y[one == kind] - y[one == kind].mean()) ** 2).sum()) for kind in kinds) / freedom
    if left < 1:
        return SeedNoise(unit * math.sqrt(total), unit * math.sqrt(total / 2), freedom)
    return SeedNoise(unit * math.sqrt(total), unit * math.sqrt(float(((y - effects @ fitted) ** 2).sum()) / left), left)


def _unit(values: Sequence[float] | Array) -> float:
    """Return what values are divided by so that their squares neither overflow nor vanish: 1 but for extreme ones."""
    greatest = float(np.abs(np.asarray(values, float)).max(initial=0.0))
    return 1.0 if greatest == 0 or LEAST_SQUARED < greatest < 1 / LEAST_SQUARED else 2.0 ** (math.frexp(greatest)[1] - 1)


def even_points(count: int, dims: int) -> Array:
    """Return points that fill [0, 1)^dims evenly: [count, dims].

    Multiples of powers of the root of x^(d+1) = x + 1, modulo 1 (Kronecker's sequence with Roberts' generalised golden ratio).
    """
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (dims + 1))
    steps = root ** -np.arange(1.0, dims + 1)
    points: Array = (0.5 + np.outer(np.arange(1, count + 1), steps)) % 1
    return points


@dataclass(frozen=True, slots=True)
class _Component:
    """The process under one draw of hyperparameters: its weight, and the solved system."""

    weight: float
    lengths: Array
    amplitude: float
    rest: float
    factor: Any
    solved: Array


class Surrogate:
    """The posterior of the curve given evidence of at least two trainings."""

    def __init__(self, evidence: Observations) -> None:
        self._measured, self._unit = evidence.noise, _unit(evidence.values)
        evidence = self._evidence = _divided(evidence, self._unit)
        self._mean = float(evidence.values.mean())
        self._scale = float(evidence.values.std()) or 1.0
        self._unordered = np.asarray(evidence.unordered, bool)
        found = self._components(DRAWS if len(evidence.values) <= MANY else DRAWS_OF_MANY)
        kept = [each for each in found if each.weight > LEAST_WEIGHT]
        whole = sum(each.weight for each in kept)
        self._kept = kept
        self._weights = np.array([each.weight / whole for each in kept])

    @property
    def trained(self) -> Array:
        """The places of all trainings [n, d]."""
        return self._evidence.places

    @property
    def measured(self) -> SeedNoise | None:
        """The noise as it was measured on repeated settings; None where there are none."""
        return self._measured

    @property
    def rest(self) -> float:
        """The standard deviation of what one training has to itself under a seed, as the model has it."""
        return self._unit * float(sum(weight * each.rest for weight, each in zip(self._weights, self._kept, strict=True)))

    @property
    def noise(self) -> float:
        """The standard deviation of one training over seeds: measured, else as the model has it."""
        return self._measured.total if self._measured is not None else self.rest * math.sqrt(2)

    def _components(self, draws: int) -> list[_Component]:
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        evidence, scale = self._evidence, self._scale
        dims = evidence.places.shape[1]
        gaps = self._gaps(evidence.places, evidence.places)
        same = (evidence.seeds[:, None] == evidence.seeds[None]).astype(float)
        lucky = same * (1 + LUCK_SHARE * np.exp(-0.5 * gaps.sum(axis=2) / LUCK_LENGTH**2))
        target = evidence.values - self._mean
        found, fits = [], []
        for row in even_points(draws, dims + 2):
            lengths = _between(LENGTHS, row[:dims])
            amplitude = scale * float(_between(AMPLITUDES, row[dims]))
            rest = self._rest(float(row[dims + 1]))
            matrix = amplitude**2 * _matern(gaps, lengths) + (WIDE * scale) ** 2 + rest**2 * lucky
            matrix[np.diag_indices_from(matrix)] += (1 - LUCK_SHARE) * rest**2 + 1e-9 * scale**2
            try:
                factor = cho_factor(matrix, lower=True, check_finite=False)
            except LinAlgError:
                continue
            solved = cho_solve(factor, target, check_finite=False)
            fits.append(-0.5 * float(target @ solved) - float(np.log(np.diag(factor[0])).sum()))
            found.append((lengths, amplitude, rest, factor, solved))
        likely = np.exp(np.array(fits) - max(fits))
        return [_Component(float(weight), *each) for weight, each in zip(likely / likely.sum(), found, strict=True)]

    def _rest(self, share: float) -> float:
        """Return a draw of the noise: of its posterior after what was measured (scaled inverse chi-square), else of the prior."""
        from scipy.special import gammaincinv

        measured = self._evidence.noise
        if measured is None:
            return self._scale * float(_between(RESTS, np.array(share)))
        chi_square = 2 * float(gammaincinv(measured.freedom / 2, 0.01 + 0.98 * share))
        return max(measured.rest * math.sqrt(measured.freedom / chi_square), 1e-6 * self._scale)

    def _gaps(self, one: Array, other: Array) -> Array:
        """Return the squared distances along each coordinate: [len(one), len(other), d]."""
        gaps = one[:, None] - other[None]
        if self._unordered.any():
            gaps[:, :, self._unordered] = np.where(gaps[:, :, self._unordered] == 0, 0.0, UNLIKE)
        return np.asarray(gaps**2)

    def means(self, places: Array) -> Array:
        """Return the posterior mean of the curve at places [n, d]."""
        parts = [self._means(places[start : start + AT_ONCE]) for start in range(0, len(places), AT_ONCE)]
        return np.concatenate(parts) * self._unit

    def _means(self, places: Array) -> Array:
        gaps = self._gaps(places, self._evidence.places)
        total = np.full(len(places), self._mean)
        for weight, each in zip(self._weights, self._kept, strict=True):
            total += weight * (self._cross(gaps, each) @ each.solved)
        return total

    def _cross(self, gaps: Array, each: _Component) -> Array:
        return each.amplitude**2 * _matern(gaps, each.lengths) + (WIDE * self._scale) ** 2

    def curves(self, places: Array, count: int, seed: int = 0) -> Array:
        """Return `count` draws of the whole curve at places [n, d]: [count, n]. The same for the same seed."""
        from scipy.linalg import cho_solve

        rng = np.random.default_rng(seed)
        across, within = self._gaps(places, self._evidence.places), self._gaps(places, places)
        drawn = []
        for each, number in zip(self._kept, _shared_out(self._weights, count), strict=True):
            if number == 0:
                continue
            cross = self._cross(across, each)
            covariance = self._cross(within, each) - cross @ cho_solve(each.factor, cross.T, check_finite=False)
            values, vectors = np.linalg.eigh(covariance)
            normal = rng.normal(size=(number, len(places)))
            drawn.append(self._mean + cross @ each.solved + normal @ (vectors * np.sqrt(np.maximum(values, 0))).T)
        return np.vstack(drawn) * self._unit


def _divided(evidence: Observations, unit: float) -> Observations:
    """Return trainings with their values, and the noise of these, in a unit."""
    noise = evidence.noise
    scaled = None if noise is None else SeedNoise(noise.total / unit, noise.rest / unit, noise.freedom)
    return replace(evidence, values=evidence.values / unit, noise=scaled)


def _between(ends: tuple[float, float], share: Array) -> Array:
    low, high = ends
    return np.asarray(low * (high / low) ** share)


def _matern(gaps: Array, lengths: Array) -> Array:
    """Return the Matern 5/2 correlation of squared distances [n, m, d] (Rasmussen and Williams, equation 4.17)."""
    distance = np.sqrt(5 * (gaps / lengths**2).sum(axis=2))
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))


def _shared_out(weights: Array, count: int) -> NDArray[np.int64]:
    """Return whole numbers that sum to `count` in proportion to weights: largest remainders first."""
    exact = weights * count
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: count - int(whole.sum())]] += 1
    return whole
