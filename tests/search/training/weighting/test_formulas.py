"""Weighting rules: each step against one computed by hand, and whole trainings against a program in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.training.weighting.formulas import (
    dwa_weights,
    gradnorm_gradient,
    gradnorm_weights,
    random_weights,
    uncertainty_gradient,
    uncertainty_weights,
)

BOTH = np.array([True, True])


def _int(number: int) -> Any:
    return tf.constant(number, tf.int64)


def test_dwa_gives_more_weight_to_the_term_that_falls_more_slowly() -> None:
    weights = dwa_weights(np.array([1.0, 0.5]), np.array([2.0, 0.5]), BOTH)  # r = 1/2 and 1, T = 2
    powers = math.exp(0.25), math.exp(0.5)
    assert weights.tolist() == pytest.approx([2 * power / sum(powers) for power in powers])


def test_dwa_leaves_out_terms_that_do_not_count() -> None:
    weights = dwa_weights(np.array([1.0, 9.0, 0.5]), np.array([2.0, 1.0, 0.5]), np.array([True, False, True]))
    powers = math.exp(0.25), math.exp(0.5)
    assert weights.tolist() == pytest.approx([2 * powers[0] / sum(powers), 0.0, 2 * powers[1] / sum(powers)])


@pytest.mark.parametrize(("latest", "earlier"), [(1.0, 0.0), (1.0, -2.0), (-1.0, 2.0)])
def test_dwa_takes_a_term_without_a_pace_as_standing_still(latest: float, earlier: float) -> None:
    weights = dwa_weights(np.array([latest, 0.5]), np.array([earlier, 0.5]), BOTH)
    assert weights.tolist() == pytest.approx([1.0, 1.0])


def test_random_weights_are_the_softmax_of_normal_draws_times_the_number_of_terms() -> None:
    counts = tf.constant([[True, True, True], [True, False, True]])
    weights = np.asarray(random_weights(_int(5), _int(17), counts))
    drawn = np.exp(np.asarray(tf.random.stateless_normal([3], [5, 17], dtype=tf.float64, alg="philox")))
    np.testing.assert_allclose(weights[0], 3 * drawn / drawn.sum())
    np.testing.assert_allclose(weights[1], 2 * drawn * [1, 0, 1] / (drawn[0] + drawn[2]))


def test_random_weights_are_drawn_anew_by_step_and_seed() -> None:
    counts = tf.constant([[True, True]])
    drawn = [np.asarray(random_weights(_int(seed), _int(step), counts))[0, 0] for seed, step in [(0, 0), (0, 1), (1, 0), (0, 0)]]
    assert len(set(drawn[:3])) == 3
    assert drawn[3] == drawn[0]


def test_uncertainty_learns_by_1_minus_the_weighted_term() -> None:
    log_variances, terms = tf.constant([[0.0, math.log(2)]]), tf.constant([[3.0, 4.0]])
    assert np.asarray(uncertainty_weights(log_variances))[0].tolist() == pytest.approx([1.0, 0.5])
    assert np.asarray(uncertainty_gradient(log_variances, terms))[0].tolist() == pytest.approx([1 - 3.0, 1 - 0.5 * 4.0])


def _gradnorm(weights: Any, norms: Any, terms: Any, initial: Any, counts: Any) -> list[float]:
    rows = [tf.constant([row]) for row in (weights, norms, terms)]
    gradient = gradnorm_gradient(*rows, tf.constant(initial), tf.constant([counts]))
    return [float(each) for each in np.asarray(gradient)[0]]


def test_gradnorm_pushes_down_the_weight_of_a_term_that_pulls_too_hard() -> None:
    # left of the terms: 1/2 and 1, their mean 3/4, so r = 2/3 and 4/3; G = 2 and 1, their mean 3/2
    # aims: 1.5 * (2/3)^1.5 = 0.816 < 2, so down by |g| = 2; 1.5 * (4/3)^1.5 = 2.309 > 1, so up by |g| = 1
    assert _gradnorm([1.0, 1.0], [2.0, 1.0], [1.0, 0.5], [2.0, 0.5], [True, True]) == [2.0, -1.0]


def test_gradnorm_leaves_out_terms_that_do_not_count() -> None:
    assert _gradnorm([1.0, 0.0, 1.0], [2.0, 99.0, 1.0], [1.0, 7.0, 0.5], [2.0, 1.0, 0.5], [True, False, True]) == [2.0, 0.0, -1.0]


def test_gradnorm_takes_a_term_that_began_at_0_as_standing_still() -> None:
    # left: 1 (it began at 0) and 1, so r = 1 and 1; G = 4 and 1, aims 2.5
    assert _gradnorm([2.0, 1.0], [2.0, 1.0], [0.3, 0.5], [0.0, 0.5], [True, True]) == [2.0, -1.0]


def test_gradnorm_keeps_weights_positive_and_their_sum() -> None:
    weights = np.asarray(gradnorm_weights(tf.constant([[3.0, 1.0, 5.0], [-1.0, 0.5, 0.5]]), tf.constant([[True, True, False]] * 2)))
    np.testing.assert_allclose(weights[0], [1.5, 0.5, 0.0])
    np.testing.assert_allclose(weights[1], [0.0, 2.0, 0.0], atol=1e-5)
    assert weights[1, 0] > 0
