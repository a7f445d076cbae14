"""Which strategy trains a study, and how many settings at once.

Chosen from the model, the optimizer, this machine's memory and the sampler's use. Only for models of middling size, where nobody
can know beforehand, a few steps are timed; all workers then use what came of it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import tensorflow as tf

from search.catalog.entries import PRUNED_BATCH
from search.definition.plugins import sampler_of
from search.definition.schema import StudyDefinition
from search.errors import PreflightError
from search.names import listed
from search.out_of_memory import memory_limit
from search.planning.phases import phases
from search.planning.references import referenced_tasks
from search.processes import cores
from search.sampling.pruning import ladder
from search.training.engine.cost import WORTH_SHARING, Cost, cost_of
from search.training.engine.frozen_trunk import cost_in_steps, frontier_of, frozen_trunk
from search.training.engine.loops import looped_operations
from search.training.engine.sharded_layers import sharded_layers
from search.training.engine.stack import Stack
from search.training.engine.stacked_variable import GradientLayout, form_of
from search.training.engine.strategies import STRATEGIES
from search.training.interface import Engine
from search.training.problem.network import Network
from search.training.problem.optimizers import stacks_exactly
from search.training.problem.problem import TrainingProblem
from search.training.problem.seeding import epoch_order
from search.training.problem.setting_inputs import equal_knobs
from search.workloads.blame import one_line
from storage.records import Role

log = logging.getLogger("steelyard.training")

LEARNING_SIZE = 8
"""Largest cohort of a sampler that learns from results: what it draws at a time once it learns, so that one size is traced.

Under a pruner it is `PRUNED_BATCH` times that, and a stack of this size goes on with those that are left.
"""
VECTORIZED_SIZE = 32
UNROLLED_SIZE = 4
"""Every unrolled copy lengthens the trace, and two threads have enough to do with 4."""

BOUND_BY_COMPUTATION = 1e9
"""Floating-point operations of a setting's forward step from which the overhead that stacking saves is lost in the noise."""
SURELY_SMALL = 5e7
"""Below this, stacking wins without being measured, and convolutions that are one operation over all settings win over copies."""

MEMORY_SHARE = 0.25
"""Share of the memory that this process may use which one worker's stack may take."""

BUSY_CORES = 2
"""So many cores have no room for tracing beside training."""

TIMED_STEPS = 3

VECTORIZED = ("vectorized", "vectorized_parts")
BESIDE = ("unrolled", "vectorized_parts")
"""Strategies whose operations run beside each other."""


class Choice(NamedTuple):
    """The engine of a study, its cohort size, the threads of the child that trains it, and why."""

    engine: str
    cohort_size: int
    threads: int
    why: str


def choose(definition: StudyDefinition, problem: TrainingProblem) -> Choice:
    """Choose once for a study; all its workers use it."""
    wanted = wanted_size(definition)
    network = problem.opened.example
    form = form_of(problem, network)
    cost = cost_in_steps(cost_of(problem), frontier_of(problem, network, form), problem.batch_size)
    cost = replace(cost, sharded_flops=sharded_layers(problem, network, form).training.flops)
    size = min(wanted, fitting(cost))
    if not stacks_exactly(problem.optimizer, by_rows=bool(form.by_rows)):
        return _serial(cost, f"{problem.optimizer.name} so configured is not elementwise, so settings are trained one by one")
    if wanted == 1:
        return _serial(cost, "one setting at a time was asked for")
    if size == 1 or cost.trained_flops >= BOUND_BY_COMPUTATION:
        return _serial(cost, f"a step of one setting is bound by computation ({cost})")
    small = cost.trained_flops < SURELY_SMALL
    unrolled = cost.own_convolutions and not (small and cost.packs and not form.apart)  # their gradients do not pack
    strategy, size = ("unrolled", min(size, UNROLLED_SIZE)) if unrolled else ("vectorized", size)
    if small:
        how = "convolutions run side by side" if unrolled else "its operations vectorise"
        return Choice(strategy, size, threads(strategy, cost, size), f"a step of one setting is small, and {how} ({cost})")
    strategies = [strategy, *(["vectorized_parts"] if unrolled and cost.packs and not form.apart and cores() > 1 else [])]
    return _measured(problem, network, form, strategies, size, cost)


def _serial(cost: Cost, why: str) -> Choice:
    return Choice("serial", 1, threads("serial", cost, 1), why)


def simpler_choice(choice: Choice, fault: str) -> Choice | None:
    """Return what to try where the chosen engine cannot be traced: copies side by side, then one setting at a time, then None."""
    why = f"{choice.engine} cannot be traced: {fault[:500]}"
    if choice.engine in VECTORIZED and choice.cohort_size > 1:
        return Choice("unrolled", min(choice.cohort_size, UNROLLED_SIZE), 1, why)
    return None if choice.engine == "serial" else Choice("serial", 1, choice.threads, why)


def traced_before(definition: StudyDefinition) -> int:
    """Return for how many epochs settings go on in smaller stacks that are traced before the study trains; 0 where none is.

    With a core to spare they are traced beside the first cohort. With two cores, tracing beside training slows training by as long
    as it takes, and takes longer than it does beforehand.
    """
    pruner = definition.search.pruner
    if pruner is None or definition.search.seeds > 1 or cores() > BUSY_CORES:
        return 0
    first = min(ladder(pruner, definition.training), default=definition.training.epochs)
    return definition.training.epochs - first


def traced(
    choice: Choice, engine: Callable[[Choice], Engine], passed: tuple[type[Exception], ...] = (), epochs_left: int = 0
) -> Choice:
    """Trace the chosen engine, and return the choice that could be traced: where the model cannot be stacked so, a simpler one.

    `engine` makes the engine of a choice; `epochs_left`: see its `trace`. Why it was chosen then says which operations do not
    vectorise, and so does one log line.
    Raises PreflightError and the `passed` ones as they come, and what not even the simplest engine can trace.
    """
    while True:
        try:
            with looped_operations() as loops:
                engine(choice).trace(epochs_left)
            break
        except PreflightError:
            raise
        except passed:
            raise
        except Exception as error:
            simpler = simpler_choice(choice, one_line(error))
            if simpler is None:
                raise
            log.warning("%s cannot be traced, trying %s: %s", choice.engine, simpler.engine, one_line(error))
            choice = simpler
    if choice.engine not in VECTORIZED or not loops:
        return choice
    text = f"not vectorised, so run once a setting: {listed(loops)}"
    log.warning("%s", text)
    return choice._replace(why=f"{choice.why}; {text}")


def threads(strategy: str, cost: Cost, size: int) -> int:
    """Return among how many threads one operation of a step of `size` settings should be shared out.

    Small operations only lose by it: the digits perceptron takes three times as long with two as with one. Unrolled copies run
    beside each other anyway, and so do parts of the rows in frozen layers.
    """
    forward = cost.trained_flops * size + cost.shared_flops - cost.sharded_flops
    return 1 if strategy in BESIDE or forward < WORTH_SHARING else cores()


def wanted_size(definition: StudyDefinition) -> int:
    """Return how many settings the sampler can use at once: a power of two, unless the user said how many."""
    if definition.search.cohort_size is not None:
        return definition.search.cohort_size
    planned = phases(definition)
    count = planned[Role.SEARCH] + planned[Role.BASELINE] + len(referenced_tasks(definition))
    sampler = sampler_of(definition.search.sampler)
    doubled = definition.search.pruner is not None and not sampler.generation and sampler.next_batch >= LEARNING_SIZE
    learning = LEARNING_SIZE * (PRUNED_BATCH if doubled else 1)
    limit = learning if sampler.learns else VECTORIZED_SIZE
    return min(limit, 1 << (count - 1).bit_length())


def fitting(cost: Cost) -> int:
    """Return how many settings fit into the memory of this machine, or of its cgroup: a power of two, at least 1."""
    count = max(1, int(memory_limit() * MEMORY_SHARE / max(cost.bytes_a_setting, 1)))
    return 1 << (count.bit_length() - 1)


def _measured(
    problem: TrainingProblem, network: Network, form: GradientLayout, strategies: Sequence[str], size: int, cost: Cost
) -> Choice:
    """Time a few steps of one setting alone and of each stack, and take what is quicker a setting."""
    sizes = {"serial": 1} | dict.fromkeys(strategies, size)
    seconds = {name: _seconds_a_setting(problem, network, form, name, count) for name, count in sizes.items()}
    timings = ", ".join(f"{name} {value * 1e3:.2f} ms" for name, value in seconds.items())
    name = min(seconds, key=lambda each: seconds[each])
    size = 1 if name == "serial" else size
    return Choice(name, size, threads(name, cost, size), f"measured a setting and step: {timings} ({cost})")


def _seconds_a_setting(problem: TrainingProblem, network: Network, form: GradientLayout, name: str, size: int) -> float:
    """Return what a step takes a setting, infinity where memory does not suffice."""
    try:
        return _timed(problem, network, form, name, size)
    except tf.errors.ResourceExhaustedError:
        return math.inf


def _timed(problem: TrainingProblem, network: Network, form: GradientLayout, name: str, size: int) -> float:
    trunk = frozen_trunk(problem, network, form)
    stack = Stack(problem, network, form, STRATEGIES[name], size, trunk)
    kept = {} if trunk is None else trunk.empty(problem.count("train"), training=True)
    knobs = equal_knobs(size, len(problem.terms), [*problem.usual.values()])
    order = tf.constant(epoch_order(0, 0, problem.count("train")))
    extra = {name: tf.range(len(points.points)) for name, points in problem.opened.loaded.extra.items()}
    sums = tf.zeros((size, len(problem.terms), 2), tf.float64)
    steps = min(TIMED_STEPS, problem.steps("train"))
    best = math.inf
    for _ in range(3):  # the first traces
        began = time.perf_counter()
        stack.train(knobs, order, extra, tf.constant(0), tf.constant(steps), sums, None, kept)[0].numpy()
        best = min(best, time.perf_counter() - began)
    return best / steps / size
