"""Making a stack's graph for settings of several seeds before it is needed, to see whether it can be made."""

from __future__ import annotations

import logging

import numpy as np
import tensorflow as tf

from search.training.engine.frozen_trunk import FrozenTrunk
from search.training.engine.stack import Stack
from search.training.problem.problem import TrainingProblem
from search.training.problem.setting_inputs import equal_knobs
from search.workloads.blame import one_line

log = logging.getLogger("steelyard.training")


def makes_for_several_seeds(problem: TrainingProblem, stack: Stack, trunk: FrozenTrunk | None) -> bool:
    """Return whether the stack's training graph can be made with rows of its own for each setting; no step is done.

    The user's code may hold an operation that is mapped over settings only where all share its rows.
    """
    size, none, count, width = stack.size, tf.constant(0), problem.count("train"), len(problem.terms)
    points = problem.opened.loaded.extra
    extra = {name: _orders(size, len(points[name].points)) for name in points}
    knobs, sums = equal_knobs(size, width, [*problem.usual.values()]), tf.zeros((size, width, 2), tf.float64)
    try:
        stack.train(knobs, _orders(size, count), extra, none, none, sums, None, {} if trunk is None else trunk.empty(count))
    except Exception as error:
        log.warning("settings of several seeds cannot be trained in one stack, so each seed has its own: %s", one_line(error))
        return False
    return True


def _orders(size: int, count: int) -> tf.Tensor:
    return tf.constant(np.tile(np.arange(count, dtype=np.int32), (size, 1)))
