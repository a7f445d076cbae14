"""Making a stack's graphs before they are needed, without a step: to have them, or to see whether they can be made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from search.names import listed
from search.training.engine.frozen_trunk import FrozenTrunk
from search.training.engine.group import Group
from search.training.engine.loops import looped_operations
from search.training.engine.stack import Stack
from search.training.interface import Setting
from search.training.problem.batch import Tensors
from search.training.problem.keras_settings import of_this_thread, set_for_thread
from search.training.problem.problem import TrainingProblem
from search.training.problem.setting_inputs import equal_knobs
from search.training.weighting.loading import moves_by_step, rule_named
from search.workloads.blame import one_line

log = logging.getLogger("steelyard.training")

LOOPED_ANYWAY = ("Random", "Conv")
"""Operations that are run once a setting where rows are shared, too: random numbers, convolutions by filters of one's own."""


def trace(problem: TrainingProblem, stack: Stack, trunk: FrozenTrunk | None) -> None:
    """Make the graphs that train and measure settings of one seed. Raises what the user's code raises in a graph.

    TensorFlow makes a graph ready when it first runs, outside of Python: the one that trains, while the other is traced.
    """
    size, none, width, count = stack.size, tf.constant(0), len(problem.terms), problem.count("train")
    knobs = equal_knobs(size, width, [*problem.usual.values()])
    extra = {name: tf.range(len(each.points)) for name, each in sorted(problem.opened.loaded.extra.items())}
    empty = {} if trunk is None else trunk.empty(count, training=True)
    train = stack.train.made(knobs, tf.range(count), extra, none, none, tf.zeros((size, width, 2), tf.float64), None, empty)
    with ThreadPoolExecutor(1, "first-run", set_for_thread, (of_this_thread(),)) as aside:
        first_run = aside.submit(train)
        sums = tf.zeros((size, stack.measured_width, 2), tf.float64)
        rows = problem.rows("validation")._replace(features={} if trunk is None else trunk.empty(training=False))
        stack.measure(knobs, tuple(rows), tf.range(problem.count("validation")), extra, none, none, sums)
    first_run.result()


def rules_tried(settings: Sequence[Setting]) -> tuple[str, ...]:
    """Return the rules in the graph that is tried of these settings: none where one reads a layer that the losses may not share."""
    rules = {setting.rule for setting in settings if moves_by_step(setting.rule)}
    return () if any(rule_named(rule).needs_shared_layer for rule in rules) else tuple(sorted(rules))


def makes_for_several_seeds(problem: TrainingProblem, make_group: Callable[[], Group], trunk: FrozenTrunk | None) -> bool:
    """Return whether a graph that trains a group can be made with rows of its own for each setting; no step is done.

    It has the `rules_tried`. The model may hold an operation that is mapped over settings only where all share its rows (a lookup
    in a table, say): such a graph is none, or runs it once a setting.
    """
    try:
        with looped_operations() as loops:
            _trace(problem, make_group(), {} if trunk is None else trunk.empty(problem.count("train"), training=True))
    except Exception as error:
        log.warning("settings of several seeds cannot be trained in one stack, so each seed has its own: %s", one_line(error))
        return False
    if dear := sorted(name for name in loops if not any(kind in name for kind in LOOPED_ANYWAY)):
        log.warning("each seed has a stack of its own, since beside others this is run once a setting: %s", listed(dear))
    return not dear


def _trace(problem: TrainingProblem, group: Group, features: Tensors) -> None:
    stack, size, none, points = group.stack, group.stack.size, tf.constant(0), problem.opened.loaded.extra
    rules = None
    if rules_tried(group.settings):
        stack.begin_learning(group.in_force.starts(group.rows()))
        rules = group.rules(1)
    extra = {name: _orders(size, len(points[name].points)) for name in points}
    sums = tf.zeros((size, len(problem.terms), 2), tf.float64)
    stack.train(group.knobs(problem), _orders(size, problem.count("train")), extra, none, none, sums, rules, features)


def _orders(size: int, count: int) -> tf.Tensor:
    return tf.constant(np.tile(np.arange(count, dtype=np.int32), (size, 1)))
