"""The rules `uncertainty`, `dwa`, `random` and `gradnorm` on the protocol; their formulas are in `formulas`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.problem.batch import Tensor
from search.training.weighting.formulas import (
    dwa_weights,
    gradnorm_gradient,
    gradnorm_weights,
    random_weights,
    uncertainty_gradient,
    uncertainty_weights,
)
from search.training.weighting.protocol import Start, State, StepView


class Uncertainty:
    """Learns log-variances from 0; see `uncertainty_gradient`."""

    descends = ("log_variances",)
    draws = False

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        return {"log_variances": np.zeros(counts.shape)}

    def weights(self, state: State, view: StepView) -> Tensor:
        return uncertainty_weights(state["log_variances"])

    def update(self, state: State, view: StepView) -> State:
        assert view.descend is not None
        gradient = uncertainty_gradient(state["log_variances"], view.terms)
        return {"log_variances": view.descend("log_variances", tf.where(view.measured, gradient, tf.zeros_like(gradient)))}


class DynamicAverage:
    """Remembers the means of the last two epochs, NaN before there are any: weights are 1 till both are known."""

    descends: tuple[str, ...] = ()
    draws = False

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        return {"latest": np.full(counts.shape, np.nan), "earlier": np.full(counts.shape, np.nan)}

    def weights(self, state: State, view: StepView) -> Any:
        rows = zip(state["latest"], state["earlier"], view.counts, strict=True)
        return np.array([dwa_weights(latest, earlier, counts) for latest, earlier, counts in rows])

    def update(self, state: State, view: StepView) -> State:
        return {"latest": view.terms, "earlier": state["latest"]}


class RandomWeights:
    """Remembers nothing: a draw depends on the seed and the step alone."""

    descends: tuple[str, ...] = ()
    draws = True

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        return {}

    def weights(self, state: State, view: StepView) -> Tensor:
        return random_weights(view.seed, view.step, view.counts)

    def update(self, state: State, view: StepView) -> State:
        return {}


class GradNorm:
    """Learns the weights themselves, from 1, and remembers the terms before training."""

    descends = ("weights",)
    draws = False

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        return {"weights": counts.astype(np.float64), "initial": np.broadcast_to(initial, counts.shape)}

    def weights(self, state: State, view: StepView) -> Tensor:
        return state["weights"]

    def update(self, state: State, view: StepView) -> State:
        assert view.descend is not None
        gradient = gradnorm_gradient(state["weights"], view.norms, view.terms, state["initial"], view.measured)
        return {"weights": gradnorm_weights(view.descend("weights", gradient), view.counts)}


UNCERTAINTY, DYNAMIC_AVERAGE, RANDOM, GRADNORM = Uncertainty(), DynamicAverage(), RandomWeights(), GradNorm()
