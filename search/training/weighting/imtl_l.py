"""Impartial multi-task learning by loss balance (IMTL-L)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.problem.batch import Tensor
from search.training.weighting.protocol import Start, State, StepView


class LossBalance:
    """Learns scales s from 0, which minimise sum_i exp(s_i) L_i - s_i, [K, terms].

    (Liu, Li, Kuang, Xue, Chen, Yang, Liao, Zhang, Towards impartial multi-task learning, ICLR 2021: the loss balance IMTL-L, there
    for the parameters of single tasks; here, as where it is used alone, for all.) The optimum given the model is exp(s) = 1 / L, so
    that every weighted term comes to 1. With s = -log variance this is the form that `uncertainty` has here; the two train
    alike. Of a term that stays 0 the weight grows without bound; one below 0 has no optimum.
    """

    descends = ("scales",)
    draws = False

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        return {"scales": np.zeros(counts.shape)}

    def weights(self, state: State, view: StepView) -> Tensor:
        return tf.exp(state["scales"])

    def update(self, state: State, view: StepView) -> State:
        assert view.descend is not None
        gradient = tf.exp(state["scales"]) * view.terms - 1
        return {"scales": view.descend("scales", tf.where(view.measured, gradient, tf.zeros_like(gradient)))}


IMTL_L = LossBalance()
