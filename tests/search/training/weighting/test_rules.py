"""What every registered weighting rule keeps of the protocol, and the rules that are no more than a formula on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.catalog.weighting_rules import WEIGHTING_RULES, WeightingRule
from search.errors import PreflightError
from search.training.weighting.imtl_l import IMTL_L
from search.training.weighting.loading import computes, implementation
from search.training.weighting.protocol import StepView
from search.training.weighting.rules import GRADNORM, UNCERTAINTY

COUNTS = np.array([[True, True, False], [False, True, True], [False, False, False]])
INITIAL = np.array([2.0, 0.5, 4.0])
RATE = 0.1


def _tensors(rule: WeightingRule, arrays: Any) -> Any:
    """Return what a rule that moves by step gets as tensors."""
    return arrays if rule.moves == "epoch" else {name: tf.constant(value) for name, value in arrays.items()}


def _view(rule: WeightingRule, state: Any, **more: Any) -> StepView:
    fields = {"counts": COUNTS, "measured": COUNTS, "seed": np.int64(7), "step": np.int64(3)}
    fields |= {"terms": np.array([[1.0, 0.5, 3.0]] * 3), "norms": np.array([[1.0, 2.0, 3.0]] * 3), "weights": np.ones((3, 3))}
    fields |= {"after": np.array([[0.9, 0.4, 3.5]] * 3)} | more
    return StepView(**_tensors(rule, fields), descend=lambda name, gradient: state[name] - RATE * gradient)


@pytest.mark.parametrize("rule", WEIGHTING_RULES, ids=lambda rule: rule.name)
def test_a_rule_gives_finite_weights_and_keeps_the_form_of_its_state(rule: WeightingRule) -> None:
    computed = computes(rule.name)
    start = computed.init(COUNTS, INITIAL)
    assert set(computed.descends) <= set(start)
    state = _tensors(rule, start)
    for _ in range(3):
        view = _view(rule, state)
        weights = np.asarray(computed.weights(state, view))
        assert weights.shape == COUNTS.shape
        assert np.isfinite(weights[COUNTS]).all()
        after = computed.update(state, view)
        assert set(after) <= set(start)
        assert {name: np.shape(value) for name, value in after.items()} == {name: np.shape(start[name]) for name in after}
        state = {**state, **after}


@pytest.mark.parametrize("rule", [rule for rule in WEIGHTING_RULES if rule.moves == "step"], ids=lambda rule: rule.name)
def test_a_rule_that_moves_by_step_keeps_rows_apart(rule: WeightingRule) -> None:
    computed = computes(rule.name)
    state = _tensors(rule, computed.init(COUNTS, INITIAL))
    view = _view(rule, state)
    beside = _view(rule, state, terms=np.array([[1.0, 0.5, 3.0], [math.nan] * 3, [1.0, 0.5, 3.0]]))
    for name, value in computed.update(state, view).items():
        np.testing.assert_array_equal(np.asarray(computed.update(state, beside)[name])[[0, 2]], np.asarray(value)[[0, 2]])


def test_what_is_no_rule_is_refused_by_name() -> None:
    with pytest.raises(PreflightError, match="no weighting rule 'pcgrad'"):
        computes("pcgrad")
    with pytest.raises(PreflightError, match="math:pi is no weighting rule: it lacks init"):
        implementation("math:pi")
    with pytest.raises(PreflightError, match="math:none cannot be imported"):
        implementation("math:none")


def test_imtl_l_learns_by_the_weighted_term_minus_1() -> None:
    rule = next(rule for rule in WEIGHTING_RULES if rule.name == "imtl_l")
    state = {"scales": tf.constant([[0.0, math.log(2), 0.0]] * 3, tf.float64)}
    np.testing.assert_allclose(np.asarray(IMTL_L.weights(state, _view(rule, state)))[0], [1.0, 2.0, 1.0])
    after = np.asarray(IMTL_L.update(state, _view(rule, state, terms=np.array([[3.0, 4.0, 9.0]] * 3)))["scales"])
    np.testing.assert_allclose(after[0], [-RATE * (3 - 1), math.log(2) - RATE * (8 - 1), 0.0])  # the third does not count


def test_imtl_l_moves_weights_as_uncertainty_does() -> None:
    rule = next(rule for rule in WEIGHTING_RULES if rule.name == "imtl_l")
    scales, variances = (_tensors(rule, each.init(COUNTS, INITIAL)) for each in (IMTL_L, UNCERTAINTY))
    for _ in range(3):
        scales = IMTL_L.update(scales, _view(rule, scales))
        variances = UNCERTAINTY.update(variances, _view(rule, variances))
        weights = [np.asarray(each.weights(of, _view(rule, of))) for each, of in ((IMTL_L, scales), (UNCERTAINTY, variances))]
        np.testing.assert_allclose(*weights)


def test_gradnorm_keeps_the_weight_of_a_term_that_the_batch_lacks() -> None:
    rule = next(rule for rule in WEIGHTING_RULES if rule.name == "gradnorm")
    counts = np.array([[True, True, True]])
    state = _tensors(rule, GRADNORM.init(counts, INITIAL))
    lacking = np.array([[True, True, False]])
    view = _view(rule, state, counts=counts, measured=lacking)._replace(norms=tf.zeros((1, 3), tf.float64))
    after = np.asarray(GRADNORM.update(state, view._replace(terms=tf.ones((1, 3), tf.float64)))["weights"])
    np.testing.assert_allclose(after, [[1.0, 1.0, 1.0]])
