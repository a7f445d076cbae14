"""The engine: trains a cohort's settings, stacked by a strategy, and reports them epoch by epoch.

Settings of one seed share the order of rows and the initial weights, so they differ by their weights alone. Those of several seeds
are trained together where that takes less time; see `search.training.engine.grouping`.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.definition.schema import Training
from search.training.engine import ends
from search.training.engine.cost import cost_of
from search.training.engine.frozen_trunk import cost_in_steps, frontier_of, frozen_trunk, keep_no_more
from search.training.engine.group import Group
from search.training.engine.grouping import Mixing, computable, epochs_after_a_rung, groups, has_several_seeds
from search.training.engine.means import quotients
from search.training.engine.pace import StepBudget
from search.training.engine.reports import report_of
from search.training.engine.sizes import chosen_size, likely_sizes, more_cost_less
from search.training.engine.stack import Stack
from search.training.engine.stacked_variable import form_of
from search.training.engine.starts import Start, Starts, Values
from search.training.engine.strategies import Strategy
from search.training.engine.traced_ahead import TracedAhead
from search.training.engine.tracing import makes_for_several_seeds, rules_tried, trace
from search.training.interface import Ended, Observer, Setting, is_report_epoch
from search.training.problem.batch import Tensor, Tensors
from search.training.problem.measurable import undefined
from search.training.problem.problem import TrainingProblem
from search.training.weighting.schedule import WeightSchedule
from storage.records import TrialState

log = logging.getLogger("steelyard.training")


class CohortEngine:
    """Trains settings of one problem by one strategy, at most `size` at a time; later cohorts find its stacks traced."""

    def __init__(self, problem: TrainingProblem, strategy: Strategy, size: int) -> None:
        self.name = strategy.name
        self._problem, self._strategy = problem, strategy
        self._size = size if strategy.stacks else 1
        self._network = problem.network(0)
        self._form = form_of(problem, self._network)
        self._trunk = frozen_trunk(problem, self._network, self._form)
        self._starts = Starts(problem, self._form)
        frontier = frontier_of(problem, self._network, self._form)
        self._cost = cost_in_steps(cost_of(problem), frontier, problem.batch_size)
        self._stacks: dict[tuple[int, bool], Stack] = {}  # by size, and whether it is for several seeds
        self._mixed: dict[tuple[int, Sequence[str]], bool] = {}  # whether a stack of this size can train several seeds, by rules
        self._paces: dict[tuple[str, int, bool], StepBudget] = {}  # by graph: kind, size, and whether it is of several seeds
        self._lost: dict[str, Mapping[str, str]] = {}
        self._steps_done = 0
        self._last: Group | None = None
        self._largest = 0  # of the stacks that a training had need of
        self._ahead = TracedAhead(lambda stack: trace(problem, stack, self._trunk))

    def train(self, settings: Sequence[Setting], training: Training, observer: Observer) -> None:
        """Train all settings to the last epoch or their own ends; see `search.training.interface.Engine`."""
        self._steps_done = 0
        for chosen in self._groups(list(computable(settings, observer)), training, observer):
            self._train_in_memory(chosen, training, observer)

    def _groups(self, settings: Sequence[Setting], training: Training, observer: Observer) -> list[Sequence[Setting]]:
        """Return the settings that are trained together. Which may be is seen from the models of all their seeds."""

        def frozen(setting: Setting) -> bytes:
            observer.progress(self._steps_done)
            return self._starts.frozen(setting.seed)

        steps = self._problem.steps("train") * training.epochs
        mixing = Mixing(self._strategy, self._cost, steps, frozen, self._mixes, beside=bool(self._form.alike))
        return groups(settings, self._size, mixing)

    def _mixes(self, settings: Sequence[Setting], size: int) -> bool:
        key = size, rules_tried(settings)
        if key not in self._mixed:
            self._mixed[key] = makes_for_several_seeds(self._problem, lambda: self._group(settings, 1, size), self._trunk)
            if not any(makes for (each, _), makes in self._mixed.items() if each == size):
                self._stacks.pop((size, True), None)
        return self._mixed[key]

    def _train_in_memory(self, settings: Sequence[Setting], training: Training, observer: Observer) -> None:
        """Train settings together; where memory runs out, those that go on begin again with less of it."""
        left = self._train_or_save_memory(settings, training, observer)
        for chosen in self._groups(left, training, observer):
            self._train_in_memory(chosen, training, ends.TakesNoMore(observer))

    def _train_or_save_memory(self, settings: Sequence[Setting], training: Training, observer: Observer) -> Sequence[Setting]:
        """Train settings together. Out of memory, let go of what takes it, and return those that go on."""
        unfinished, self._largest = ends.Unfinished(settings, observer), 0
        try:
            self._last = self._group(settings, training.epochs)  # no name here may keep its stack when memory is freed
            self._train_group(self._last, training, unfinished)
            return []
        except tf.errors.ResourceExhaustedError:
            if self._largest == 1 and self._trunk is None:
                raise
        finally:
            self._ahead.end()
        self._save_memory(self._largest)
        return unfinished.settings

    def _chosen_size(self, count: int, size: int, epochs: int) -> int:
        return chosen_size(count, size, self._size, self._problem.steps("train") * epochs, self._strategy, self._cost)

    def _save_memory(self, size: int) -> None:
        """Keep no outputs of the frozen trunk any more, where these took the memory; else train half as many settings together."""
        self._last = None
        if self._trunk is not None and (self._trunk.too_large or size == 1):
            log.warning("out of memory for outputs of the frozen layers; they run in every step from now on")
            keep_no_more(self._problem)
            self._trunk, self._stacks, self._mixed, self._cost = None, {}, {}, cost_of(self._problem)
        else:
            log.warning("out of memory with %d settings; going on with half as many", size)
            self._size = size // 2
            self._stacks = {kept: stack for kept, stack in self._stacks.items() if stack.size <= self._size}
        gc.collect()

    @property
    def graphs(self) -> int:
        """How many graphs a later cohort finds traced, to train and to measure."""
        return sum(stack.train.kept + stack.measure.kept for stack in self._stacks.values())

    def trace(self, epochs_left: int = 0) -> None:
        """Make the graphs of the largest stack, and then, as far as they can be made, of those in which settings may go on."""
        trace(self._problem, self._stack(self._size), self._trunk)
        self._trace_ahead(self._size, epochs_left)
        self._ahead.wait()
        self._ahead.end()

    def initial_values(self, seed: int, observer: Observer) -> dict[str, float]:
        """Return the terms before training under `seed`, over the training rows, as epoch 0 has them; see `Engine`."""
        self._steps_done = 0
        start = self._starts.numbers([seed])
        while start is None:
            start = self._start_or_save_memory(seed, observer)
        return {path: float(values[0]) for path, values in start.train.items() if math.isfinite(values[0])}

    def _start_or_save_memory(self, seed: int, observer: Observer) -> Start | None:
        """Return the numbers before training. Out of memory, let go of what takes it, and return None."""
        try:
            setting = Setting(0, seed, dict.fromkeys(self._problem.paths, 1.0))
            return self._begun(self._group([setting], 1, self._size), observer)
        except tf.errors.ResourceExhaustedError:
            if self._size == 1 and self._trunk is None:
                raise
        self._save_memory(self._size)  # here, not above: the error keeps the stack
        return None

    def variables(self, place: int = -1) -> list[NDArray[np.generic]]:
        """Return the variables of the setting at `place` of the last group: trained, then other. KeyError where it ended early."""
        assert self._last is not None
        return self._last.stack.values(self._last.places[range(len(self._last.settings))[place]])

    def _stack(self, size: int, *, mixed: bool = False) -> Stack:
        """Return the stack of a size; one for several seeds is another where settings of one seed have some state in common."""
        key = size, mixed and bool(self._form.alike)
        if key not in self._stacks:
            form = self._form._replace(alike=frozenset()) if mixed else self._form
            self._stacks[key] = Stack(self._problem, self._network, form, self._strategy, size, self._trunk)
        return self._stacks[key]

    def _group(self, settings: Sequence[Setting], epochs: int, size: int | None = None) -> Group:
        size = size or self._chosen_size(len(settings), self._size, epochs)
        self._largest = max(self._largest, size)
        in_force = WeightSchedule(settings, self._problem.paths, epochs, self._problem.steps("train"))
        return Group(settings, self._stack(size, mixed=has_several_seeds(settings)), in_force)

    def _train_group(self, group: Group, training: Training, observer: Observer) -> None:
        ends.end_unbalanceable(group, self._problem, self._network, observer)
        if not group.places:
            return
        self._begin(group, observer)
        if group.places:
            self._train_epochs(group, range(1, training.epochs + 1), training, observer)

    def _train_epochs(self, group: Group, epochs: range, training: Training, observer: Observer) -> None:
        """Train a group in these epochs; what goes on after the last epoch of all is complete."""
        since, begun = time.perf_counter(), epochs.start > 1
        for epoch in epochs:
            self._shrink(group, training.epochs - epoch + 1)
            train = self._train_epoch(group, epoch, observer)
            if not group.places:
                return None
            group.done = epoch
            if is_report_epoch(epoch, training):
                validation = self._measure("validation", group, observer)
                seconds, since = time.perf_counter() - since, time.perf_counter()
                test = self._measure("test", group, observer) if self._is_tested(group) else {}
                self._report(group, epoch, seconds, train, validation, observer, test)
                ends.end_diverged(group, epoch, validation, observer, "validation ")
                since += ends.end_pruned(group, epoch, observer)
                if not group.places:
                    return None
                if epochs.stop > training.epochs and not has_several_seeds(group.settings):
                    going_on = [setting for setting, _ in group.running()]
                    more, waited = self._more(going_on, group.settings, epoch, training, observer)
                    if more:
                        return self._train_beside(group, more, epoch, training, observer)
                    since += waited
            if not begun and group.stack.measure.kept:  # its own graphs are made
                begun = True
                self._trace_ahead(group.stack.size, epochs_after_a_rung(group.settings, training.epochs))
        for setting, _ in group.running() if epochs.stop > training.epochs else ():
            observer.ended(Ended(setting.number, TrialState.COMPLETE, training.epochs))
        return None

    def _train_beside(self, group: Group, settings: Sequence[Setting], epoch: int, training: Training, observer: Observer) -> None:
        """Train further settings up to the rung at which a group waits; then what is left of all, as many as have room together.

        All have one seed, so the same order of rows, whenever they train; all of it takes at most about twice as many epochs.
        """
        waiting, kept = [setting for setting, _ in group.running()], group.stack.kept([*group.places.values()])
        tried, rounds = [*group.settings], training.epochs // epoch
        while settings:
            for part in self._parts(settings):
                self._last = added = self._group(settings[part], training.epochs)
                self._ahead.wait(added.stack)
                self._begin(added, observer)
                if added.places:
                    self._train_epochs(added, range(1, epoch + 1), training, observer)
                waiting += [setting for setting, _ in added.running()]
                kept += added.stack.kept([*added.places.values()])
            tried, rounds = [*tried, *settings], rounds - 1
            settings = self._more(waiting, tried, epoch, training, observer)[0] if rounds else ()
        for part in self._parts(waiting):
            size = self._chosen_size(len(waiting[part]), self._size, training.epochs - epoch)
            self._last = going_on = self._group(waiting[part], training.epochs, size)
            self._ahead.wait(going_on.stack)
            going_on.stack.resume(kept[part])
            going_on.done = epoch
            self._train_epochs(going_on, range(epoch + 1, training.epochs + 1), training, observer)

    def _more(
        self, waiting: Sequence[Setting], tried: Sequence[Setting], epoch: int, training: Training, observer: Observer
    ) -> tuple[Sequence[Setting], float]:
        """Return further settings where they pay, and the seconds spent waiting for them; `waiting` go on of those `tried`."""
        steps = self._problem.steps("train") * (training.epochs - epoch)
        pays = more_cost_less(len(waiting), len(tried), self._size, steps, self._strategy, self._cost)
        return ends.more(waiting, tried, epoch, observer) if pays else ((), 0.0)

    def _parts(self, settings: Sequence[Setting]) -> list[slice]:
        return [slice(first, first + self._size) for first in range(0, len(settings), self._size)]

    # Where a group begins

    def _begin(self, group: Group, observer: Observer) -> None:
        """Set the stack to the seeds' starts, and report epoch 0, which settings of one seed and one set of arguments share."""
        began = time.perf_counter()
        start = self._begun(group, observer)
        if not group.places:
            return
        group.begin_learning(start.train)
        self._report(group, 0, time.perf_counter() - began, start.train, start.validation, observer)

    def _begun(self, group: Group, observer: Observer) -> Start:
        group.stack.begin([self._starts.variables(seed) for seed in group.seeds()])
        return self._starts.numbers(group.seeds()) or self._measured_start(group, observer)

    def _measured_start(self, group: Group, observer: Observer) -> Start:
        """Measure a group that has begun; what is cancelled in the middle gives no numbers of its seeds."""
        terms, seeds = set(self._problem.paths), group.seeds()
        train = {path: values for path, values in self._measure("train", group, observer).items() if path in terms}
        start = Start(train, self._measure("validation", group, observer))
        if group.places:
            self._starts.keep(seeds, start)
        return self._starts.numbers(seeds) or start

    def _shrink(self, group: Group, epochs_left: int) -> None:
        """Move the settings that go on to a smaller stack, where that is worth it."""
        old = group.stack
        size = self._chosen_size(len(group.places), old.size, epochs_left)
        if size == old.size:
            return
        mixed = has_several_seeds(group.settings)
        group.stack = self._stack(size, mixed=mixed)
        self._ahead.wait(None if mixed else group.stack)
        group.stack.take_over(old, list(group.places.values()))
        group.places = {place: where for where, place in enumerate(group.places)}

    def _trace_ahead(self, size: int, epochs: int) -> None:
        """Have the stacks traced in which settings of one seed go on, for so many epochs, once others end, here or later."""
        sizes = likely_sizes(size, self._size, self._problem.steps("train") * epochs, self._strategy, self._cost)
        self._ahead.begin([self._stack(each) for each in sizes if epochs and (each, False) not in self._stacks])

    # An epoch

    def _train_epoch(self, group: Group, epoch: int, observer: Observer) -> Values:
        """Train one epoch (from 1); return the means of the terms.

        Settings that diverge or are cancelled leave the group.
        """
        problem = self._problem
        count = problem.count("train")
        group.in_force.begin_epoch(epoch)
        knobs, rules, features = group.knobs(problem), group.rules(epoch), self._features("train", observer, training=True)
        order = group.order(epoch, count, shuffle=problem.shuffle)
        extra = self._extra_orders(lambda i, size: group.order(epoch, size, stream=i + 1))
        sums = tf.zeros((group.stack.size, len(problem.paths), 2), tf.float64)
        for first, stop in self._calls("train", problem.steps("train"), group, observer):
            sums, finite = group.stack.train(knobs, order, extra, first, stop, sums, rules, features)
            ends.end_undefined(group, epoch, observer)
            ends.end_diverged(group, epoch, self._means(sums, unseen=0.0), observer)
            ends.end_broken(group, epoch, finite.numpy(), observer)
        means = self._means(sums)
        group.end_epoch(epoch, means)
        return means

    def _means(self, sums: Tensor, unseen: float = math.nan) -> Values:
        """Return the terms' means by path, of (total, weight) [K, terms, 2]; a term that nothing counted for is left out.

        `unseen` is that of a setting which nothing counted for yet, where something did for one of another seed.
        """
        found = quotients(sums.numpy(), unseen)
        return {path: mean for path, mean in zip(self._problem.paths, found, strict=True) if mean is not None}

    def _measure(self, split: str, group: Group, observer: Observer) -> Values:
        """Return terms and metrics over a split, in order, without training."""
        problem, stack = self._problem, group.stack
        rows = tuple(problem.rows(split)._replace(features=self._features(split, observer, training=False)))
        knobs, order = group.knobs(problem), tf.range(problem.count(split))
        extra = self._extra_orders(lambda _, size: np.arange(size, dtype=np.int32))
        sums = tf.zeros((stack.size, stack.measured_width, 2), tf.float64)
        stack.reset_counters()
        for first, stop in self._calls("measure", problem.steps(split), group, observer):
            sums = stack.measure(knobs, rows, order, extra, first, stop, sums)
        terms = len(problem.terms)
        values = self._means(sums[:, :terms])
        for metric, mean in zip(problem.row_metrics, quotients(sums.numpy()[:, terms:]), strict=True):
            if mean is not None:
                values[metric.path] = np.sqrt(mean) if metric.root else mean
        values |= {path: np.array(counted) for path, counted in stack.counted().items()}
        return {path: each for path, each in values.items() if path not in self._undefined(split)}

    def _features(self, split: str, observer: Observer, *, training: bool) -> Tensors:
        """Return what the frozen trunk makes of a split's rows; {} where nothing of it is kept."""

        def progress(batches: int) -> None:
            self._steps_done += batches
            observer.progress(self._steps_done)

        return {} if self._trunk is None else self._trunk.features(split, progress, training=training)

    def _undefined(self, split: str) -> Mapping[str, str]:
        """Return the paths that the labels of a split cannot measure."""
        if split not in self._lost:
            self._lost[split] = undefined(self._problem, split)
        return self._lost[split]

    def _report(
        self,
        group: Group,
        epoch: int,
        seconds: float,
        train: Values,
        validation: Values,
        observer: Observer,
        test: Values | None = None,
    ) -> None:
        report = report_of(self._problem, group, epoch, seconds, train, validation, test)
        if report is not None:
            observer.epoch(report)

    def _is_tested(self, group: Group) -> bool:
        return any(setting.test for setting in group.settings) and "test" in self._problem.opened.loaded.splits

    def _calls(self, kind: str, steps: int, group: Group, observer: Observer) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (first, stop) of graph calls of a bounded time; between them progress is reported and cancellation read.

        Ends early when no setting of the group goes on.
        """
        graph = kind, group.stack.size, has_several_seeds(group.settings)
        pace, first = self._paces.setdefault(graph, StepBudget()), 0
        while first < steps:
            ends.end_cancelled(group, observer)
            if not group.places:
                return
            stop = first + pace.steps(steps - first)
            began = time.perf_counter()
            yield tf.constant(first), tf.constant(stop)
            pace.took(stop - first, time.perf_counter() - began)
            self._steps_done += stop - first
            first = stop
            observer.progress(self._steps_done)

    def _extra_orders(self, order: Callable[[int, int], Any]) -> dict[str, Tensor]:
        points = self._problem.opened.loaded.extra
        return {name: tf.convert_to_tensor(order(i, len(points[name].points))) for i, name in enumerate(sorted(points))}
