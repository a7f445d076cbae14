"""Keras metrics that count over rows (AUC, F1, ...): one for each setting."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem
from search.training.problem.step import measured_batch


def made_counters(problem: TrainingProblem, network: Network, size: int) -> list[list[Any]]:
    """Return `size` new metrics for each counting metric of the problem, built by a few rows of it."""
    if not problem.counted_metrics:
        return []
    own = [[tf.convert_to_tensor(variable.value) for variable in part] for part in (network.trainable, network.state)]
    example, *_ = measured_batch(problem, network, problem.example_rows(), *own)
    return [[metric.make(example) for _ in range(size)] for metric in problem.counted_metrics]
