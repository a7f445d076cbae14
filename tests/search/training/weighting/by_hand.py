"""A model with a shared layer and two tasks, trained under weighting rules in numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from search.training.weighting.formulas import random_weights
from tests.search.training.scenes import rows

PATHS = ("a.error", "b.error")
BATCH, COUNT, RATE = 8, 20, 0.02

DATA = rows(COUNT, a=1, b=1)
DATA[1]["b"] *= 3  # so that the tasks differ


class ByHand:
    """The model of `_trunk` with its two squared errors and plain gradient descent, in numpy; `rule` moves the weights."""

    def __init__(self, rule: str, start: Sequence[Any], initial: Mapping[str, float]) -> None:
        self.rule, self.variables = rule, [np.array(each, np.float64) for each in start]
        self.initial = np.array([initial[path] for path in PATHS])
        self.log_variances, self.scales, self.balanced, self.step = np.zeros(2), np.zeros(2), np.ones(2), 0
        self.logits, self.mean, self.square = np.zeros(2), np.zeros(2), np.zeros(2)
        self.last = self._balanced_logs(self.initial)
        self.means: list[np.ndarray[Any, Any]] = []

    def epoch(self, epoch: int) -> None:
        """Train epoch `epoch`, from 1."""
        order = np.random.default_rng([7, epoch - 1]).permutation(COUNT)
        sums = np.zeros(2)
        for first in range(0, COUNT, BATCH):
            chosen = order[first : first + BATCH]
            sums += self._step(chosen) * len(chosen)
        self.means.append(sums / COUNT)

    def weights(self) -> Any:
        """Return the weights in force."""
        if self.rule == "random":
            counts = tf.constant([True, True])
            return np.asarray(random_weights(tf.constant(7, tf.int64), tf.constant(self.step, tf.int64), counts))
        if self.rule == "dwa" and len(self.means) >= 2:
            powers = np.exp(self.means[-1] / self.means[-2] / 2)
            return 2 * powers / powers.sum()
        learned = {"uncertainty": np.exp(-self.log_variances), "imtl_l": np.exp(self.scales), "gradnorm": self.balanced}
        return {**learned, "famo": self.last}.get(self.rule, np.ones(2))

    def _balanced_logs(self, losses: Any) -> Any:
        parts = np.exp(self.logits) / losses
        return 2 * parts / parts.sum()

    def _losses(self, chosen: Any) -> Any:
        kernel, bias, *heads = self.variables
        features = DATA[0][chosen] @ kernel + bias
        errors = [features @ heads[2 * i] + heads[2 * i + 1] - DATA[1][name][chosen] for i, name in enumerate(("a", "b"))]
        return np.array([np.mean(error**2) for error in errors])

    def _step(self, chosen: Any) -> Any:
        self.last = self._balanced_logs(self._losses(chosen))
        x, weights = DATA[0][chosen], self.weights()
        kernel, bias, *heads = self.variables
        features = x @ kernel + bias
        trunk, losses = [], []
        gradients = [np.zeros_like(each) for each in self.variables]
        for i, name in enumerate(("a", "b")):
            error = features @ heads[2 * i] + heads[2 * i + 1] - DATA[1][name][chosen]
            losses.append(np.mean(error**2))
            down = 2 * error / len(chosen)
            back = down @ heads[2 * i].T
            trunk.append([x.T @ back, back.sum(axis=0)])
            gradients[2 + 2 * i], gradients[3 + 2 * i] = weights[i] * features.T @ down, weights[i] * down.sum(axis=0)
        for place in (0, 1):
            gradients[place] = sum(weight * own[place] for weight, own in zip(weights, trunk, strict=True))
        self._learn(np.array(losses), np.array([math.sqrt(sum((part**2).sum() for part in own)) for own in trunk]))
        self.variables = [each - RATE * gradient for each, gradient in zip(self.variables, gradients, strict=True)]
        self.step += 1
        self._learn_logits(np.array(losses), self._losses(chosen))
        return np.array(losses)

    def _learn(self, losses: Any, norms: Any) -> None:
        self.log_variances = self.log_variances - RATE * (1 - np.exp(-self.log_variances) * losses)
        self.scales = self.scales - RATE * (np.exp(self.scales) * losses - 1)
        left = losses / self.initial
        aims = (self.balanced * norms).mean() * (left / left.mean()) ** 1.5
        moved = self.balanced - RATE * np.sign(self.balanced * norms - aims) * norms
        self.balanced = 2 * moved / moved.sum()

    def _learn_logits(self, before: Any, after: Any) -> None:
        z = np.exp(self.logits) / np.exp(self.logits).sum()
        jacobian = np.diag(z) - np.outer(z, z)
        gradient = jacobian @ np.log(before / after) + 0.001 * self.logits
        self.mean, self.square = 0.9 * self.mean + 0.1 * gradient, 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.step), self.square / (1 - 0.999**self.step)
        self.logits = self.logits - 0.025 * mean / (np.sqrt(square) + 1e-8)


def shared_gradients(variables: Sequence[Any]) -> Any:
    """Return the gradients of the two terms over all rows by the shared layer's kernel and bias, side by side: [2, numbers]."""
    kernel, bias, *heads = variables
    found = []
    for i, name in enumerate(("a", "b")):
        error = (DATA[0] @ kernel + bias) @ heads[2 * i] + heads[2 * i + 1] - DATA[1][name]
        back = (2 * error / COUNT) @ heads[2 * i].T
        found.append(np.concatenate([(DATA[0].T @ back).ravel(), back.sum(axis=0)]))
    return np.array(found)
