"""The smooth model: against scikit-learn's Gaussian process, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from search.sampling import surrogate
from search.sampling.surrogate import Observations, SeedNoise, Surrogate, even_points, noise_of

RNG = np.random.default_rng(0)
PLACES = RNG.uniform(size=(12, 2))
VALUES = -np.abs(PLACES - 0.4).sum(axis=1) + 0.05 * RNG.normal(size=12)
ASKED = RNG.uniform(size=(5, 2))


def evidence(seeds: list[int], values: np.ndarray = VALUES, noise: SeedNoise | None = None) -> Observations:
    return Observations(PLACES, np.array(seeds), values, [False, False], noise)


def test_one_draw_of_hyperparameters_is_scikit_learns_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every training has a seed of its own, all that is no curve is white noise of twice `rest` squared."""
    monkeypatch.setattr(surrogate, "DRAWS", 1)
    monkeypatch.setattr(surrogate, "LENGTHS", (0.3, 0.3))
    monkeypatch.setattr(surrogate, "AMPLITUDES", (1.0, 1.0))
    monkeypatch.setattr(surrogate, "RESTS", (0.2, 0.2))
    scale = VALUES.std()
    kernel = ConstantKernel(scale**2) * Matern(0.3, nu=2.5) + ConstantKernel((3 * scale) ** 2)
    process = GaussianProcessRegressor(kernel, alpha=2 * (0.2 * scale) ** 2 + 1e-9 * scale**2, optimizer=None)
    process.fit(PLACES, VALUES - VALUES.mean())
    mean, covariance = process.predict(ASKED, return_cov=True)
    found = Surrogate(evidence(list(range(12))))
    np.testing.assert_allclose(found.means(ASKED), mean + VALUES.mean(), rtol=1e-9)
    drawn = found.curves(ASKED, 20_000)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=4e-4)


def test_curves_are_the_same_again_and_lie_about_the_means() -> None:
    found = Surrogate(evidence([0] * 12))
    drawn = found.curves(ASKED, 4000)
    np.testing.assert_array_equal(drawn, found.curves(ASKED, 4000))
    np.testing.assert_allclose(drawn.mean(axis=0) - drawn.mean(), found.means(ASKED) - found.means(ASKED).mean(), atol=0.01)


def test_what_a_seed_adds_to_all_its_trainings_does_not_bend_the_curve() -> None:
    seeds = [0, 1] * 6
    shifted = VALUES + 0.5 * (np.array(seeds) == 1)
    noise = SeedNoise(0.5, 0.35, 20)
    plain, moved = Surrogate(evidence(seeds, noise=noise)).means(ASKED), Surrogate(evidence(seeds, shifted, noise)).means(ASKED)
    np.testing.assert_allclose(moved - moved.mean(), plain - plain.mean(), atol=0.08)


def test_unordered_values_are_all_as_far_from_each_other() -> None:
    places = np.array([[0.0], [0.5], [1.0]])
    found = Surrogate(Observations(places, np.arange(3), np.array([0.0, 1.0, 0.0]), [True]))
    low, middle, high = found.means(places)
    assert low == pytest.approx(high)
    assert middle > low


def test_noise_is_pooled_over_settings_and_what_seeds_share_is_taken_out() -> None:
    # deviations of .1 and .2 from each setting's mean: (2 x .01 + 2 x .04) / 2; additive effects leave .05 everywhere
    found = noise_of([1, 1, 2, 2], [7, 8, 7, 8], [1.0, 1.2, 3.0, 3.4])
    assert found is not None
    assert (found.total, found.rest, found.freedom) == (pytest.approx(math.sqrt(0.05)), pytest.approx(0.1), 1)


def test_of_one_setting_half_of_the_variance_is_its_own() -> None:
    found = noise_of([1, 1, 1], [7, 8, 9], [1.0, 2.0, 3.0])
    assert found is not None
    assert (found.total, found.rest, found.freedom) == (pytest.approx(1.0), pytest.approx(math.sqrt(0.5)), 2)


def test_settings_with_one_seed_each_tell_no_noise() -> None:
    assert noise_of([1, 2, 3], [7, 7, 7], [1.0, 2.0, 3.0]) is None


def test_even_points_leave_no_large_gap() -> None:
    """Of one dimension they are the golden ratio's multiples, whose gaps have at most three lengths (Steinhaus)."""
    points = np.sort(even_points(50, 1)[:, 0])
    assert len({round(gap, 9) for gap in np.diff(points)}) <= 3
    assert even_points(50, 3).shape == (50, 3)


@pytest.mark.parametrize("factor", [2.0**700, 2.0**-700])
def test_values_whose_squares_are_no_numbers_are_modelled_like_any_others(factor: float) -> None:
    seeds, noise = [0, 1] * 6, SeedNoise(0.2, 0.1, 5)
    plain = Surrogate(evidence(seeds, noise=noise))
    extreme = Surrogate(evidence(seeds, VALUES * factor, SeedNoise(0.2 * factor, 0.1 * factor, 5)))
    np.testing.assert_allclose(extreme.means(ASKED) / factor, plain.means(ASKED), rtol=1e-9)
    np.testing.assert_allclose(extreme.curves(ASKED, 50) / factor, plain.curves(ASKED, 50), rtol=1e-6)
    assert (extreme.noise / factor, extreme.rest / factor) == pytest.approx((plain.noise, plain.rest))


def test_the_noise_of_values_whose_squares_are_no_numbers_is_measured() -> None:
    found = noise_of([0, 0, 1, 1], [5, 6, 5, 6], [1e200, 3e200, 2e200, 4e200])
    assert found is not None
    assert found.total == pytest.approx(math.sqrt(2) * 1e200)
