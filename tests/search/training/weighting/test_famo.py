"""FAMO: a step by hand. A whole training in numpy is in `test_moving_weights`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.training.weighting.famo import FAMO, famo_weights, logits_gradient, shares
from search.training.weighting.protocol import StepView

HALF = math.log(3.0)  # logits log 3 and 0: z = 3/4 and 1/4


def _row(*values: float) -> Any:
    return tf.constant([values], tf.float64)


def _mask(*values: bool) -> Any:
    return tf.constant([values])


def _view(before: Any, after: Any, measured: Any, counts: Any = None) -> StepView:
    none = tf.constant(0, tf.int64)
    return StepView(measured if counts is None else counts, measured, none, none, before, after=after, weights=tf.ones_like(before))


def test_weights_are_in_proportion_to_share_over_term_and_sum_to_the_number_of_terms() -> None:
    weights = np.asarray(famo_weights(_row(HALF, 0.0), _row(3.0, 0.5), _mask(True, True)))
    # z / L = 1/4 and 1/2: 2/3 and 4/3
    np.testing.assert_allclose(weights, [[2 / 3, 4 / 3]])


def test_terms_that_nothing_in_the_batch_counts_for_have_no_share() -> None:
    measured = _mask(True, False, True)
    np.testing.assert_allclose(shares(_row(HALF, 99.0, 0.0), measured), [[0.75, 0.0, 0.25]])
    np.testing.assert_allclose(famo_weights(_row(HALF, 99.0, 0.0), _row(3.0, 0.0, 0.5), measured), [[2 / 3, 0.0, 4 / 3]])


def test_the_logit_of_the_term_that_fell_faster_is_pushed_down() -> None:
    # falls: log 2 and 0, mean under z: 3/4 log 2; gradients z_i (fall - mean) = 3/16 log 2 and -3/16 log 2, plus 0.001 v
    gradient = np.asarray(logits_gradient(_row(HALF, 0.0), _row(2.0, 1.0), _row(1.0, 1.0), _mask(True, True)))
    push = 3 / 16 * math.log(2)
    np.testing.assert_allclose(gradient, [[push + 0.001 * HALF, -push]])


def test_the_first_step_of_adam_moves_each_logit_by_its_learning_rate() -> None:
    state = FAMO.init(np.array([[True, True]]), np.array([2.0, 1.0]))
    view = _view(_row(2.0, 1.0), _row(1.0, 1.0), _mask(True, True))
    after = FAMO.update({name: tf.constant(value) for name, value in state.items()}, view)
    np.testing.assert_allclose(after["logits"], [[-0.025, 0.025]], rtol=1e-6)
    assert np.asarray(after["steps"]).tolist() == [[1.0]]


def test_weights_before_training_are_those_of_the_terms_then() -> None:
    counts = np.array([[True, True, False], [False, True, True]])
    weights = FAMO.init(counts, np.array([2.0, 0.5, 0.0]))["weights"]  # a term that began at 0 has none
    np.testing.assert_allclose(weights, [[0.4, 1.6, 0.0], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_term_that_does_not_count_may_have_any_value(bad: float) -> None:
    state = {name: tf.constant(value) for name, value in FAMO.init(np.array([[True, False]]), np.array([2.0, bad])).items()}
    after = FAMO.update(state, _view(_row(2.0, bad), _row(1.0, bad), _mask(True, False)))
    assert all(np.isfinite(np.asarray(value)).all() for value in after.values())
