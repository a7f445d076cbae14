"""What the training child does with its orders: describe, prepare, train. It survives what the user's code, or ours, raises."""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from search.catalog.plugins import published_by
from search.definition.schema import StudyDefinition
from search.errors import PreflightError
from search.training.child.describe import described_all
from search.training.child.engine_choice import Choice, choose, traced, traced_before
from search.training.child.loading import opened
from search.training.child.preflight import preflight
from search.training.child.protocol import (
    SECONDS_BETWEEN_PROGRESS,
    Answer,
    BadMessage,
    CancelSettings,
    Channel,
    ChildReady,
    CohortTrained,
    DefineStudy,
    DescribeWorkloads,
    ExitChild,
    GoOn,
    Order,
    OrderTaken,
    PeerGone,
    PlacesFree,
    PrepareStudy,
    RungReached,
    StepsDone,
    StudyPrepared,
    StudyRefused,
    ThreadsWanted,
    TrainAlso,
    TrainCohort,
    UseWorkload,
    WorkloadsDescribed,
    storable,
    storable_text,
)
from search.training.child.rehearsal import rehearse
from search.training.engine.busy_time import BusyTime
from search.training.engine.registry import made_engine
from search.training.engine.traces import traces_made, tracing_seconds
from search.training.interface import Ended, Engine, EpochReport, Setting
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload
from search.workloads import pinned, registry
from search.workloads.blame import one_line, place_of
from storage.fleet_records import Traces, WarmStudy
from storage.records import Reason, TrialState

log = logging.getLogger("steelyard.training")

IDLE_SECONDS = 0.3
"""After so long without an order, a process that has not trained yet gets ready for those to come."""

WARM_PROBLEMS = 4
WARM_WORKLOADS = 2

T = TypeVar("T")


class ExitRequested(Exception):
    """The parent asked this process to end, or is gone."""


ENDS_CHILD = (ExitRequested, PeerGone, BadMessage)
"""What no order outlives, and what is no fault of the study."""


def serve(channel: Channel) -> int:
    """Answer orders until ExitChild, or until the other end of the pipe is gone. Returns the exit code: 1 for a broken order."""
    tf.get_logger().setLevel(logging.ERROR)  # its notes on its own deprecated calls are nobody's business here
    channel.send(ChildReady({"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}))
    child = TrainingChild(channel)
    try:
        fresh = True
        while True:
            if fresh and not channel.waiting(IDLE_SECONDS):
                with child.work:
                    rehearse(channel.waiting)
                fresh = False
            child.obey(order := channel.receive())
            fresh &= not isinstance(order, PrepareStudy | TrainCohort)
    except (ExitRequested, PeerGone):
        return 0
    except BadMessage as error:  # the two ends are not of one version; nothing that follows could be trusted
        log.error("the training process ends: %s", error)
        return 1


class Warm(Generic[T]):
    """The last few things that were used, by key: making them again takes seconds."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return what `key` names, made if need be; let go of what was not used for longest."""
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return self._kept[key]

    def values(self) -> list[T]:
        """Return what is kept, what was used last at the end."""
        return list(self._kept.values())


class TrainingChild:
    """Holds the definitions of the studies it was given, and the warm workloads, problems and engines of recent ones.

    `work`: the time that it prepares studies and trains, or gets ready to.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._definitions: dict[int, Mapping[str, Any]] = {}
        self._opened: Warm[LoadedWorkload] = Warm(WARM_WORKLOADS)
        self._problems: Warm[TrainingProblem] = Warm(WARM_PROBLEMS)
        self._engines: Warm[Engine] = Warm(WARM_PROBLEMS)
        self._used_by: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()  # the study that used an engine last
        self.work = BusyTime()

    def traces(self) -> Traces:
        """Return what this process has traced so far, and what of it is warm."""
        graphs: dict[str, int] = {}
        for engine in self._engines.values():
            study = self._used_by[engine]
            graphs[study] = graphs.pop(study, 0) + engine.graphs
        warm = tuple(WarmStudy(study, count) for study, count in reversed(graphs.items()) if count)
        return Traces(traces_made(), tracing_seconds(), self.work.seconds, warm)

    def obey(self, order: Order) -> None:
        """Do one order. A cancel that comes outside of a training has nothing to end, nor has a late reply to a rung."""
        match order:
            case UseWorkload():
                self._use(order)
            case DescribeWorkloads():
                self._channel.send(WorkloadsDescribed(described_all(self._open, order.names), published_by("child")))
            case DefineStudy():
                self._define(order)
            case PrepareStudy():
                with self.work:
                    self._prepare(order)
            case TrainCohort():
                with self.work:
                    self._train(order)
            case ExitChild():
                raise ExitRequested
            case CancelSettings() | GoOn() | TrainAlso():
                pass

    def _use(self, order: UseWorkload) -> None:
        """Find a workload where the worker says. What cannot be imported beside others is reported by what needs it."""
        registry.use(order.name, order.place, there=bool(order.modules))
        try:
            pinned.pin(order.modules)
        except PreflightError as refused:
            log.error("%s", refused)

    def _define(self, order: DefineStudy) -> None:
        if order.replaces is not None:
            self._definitions.pop(order.replaces, None)
        self._definitions[order.study] = order.definition

    def _definition(self, study: int) -> StudyDefinition:
        return StudyDefinition.model_validate(self._definitions[study])

    def _prepare(self, order: PrepareStudy) -> None:
        """Check a study with its model at hand, and trace it."""
        self._channel.send(OrderTaken())
        try:
            definition = self._definition(order.study)
            problem = self._problem(definition)
            with problem.opened.settings.active():
                warnings = preflight(problem, definition)
                report = Report(self._channel, self.traces)  # now: its slowest call holds what building and tracing the model takes
                choice = choose(definition, problem)
                if order.threads not in (None, choice.threads):
                    self._channel.send(ThreadsWanted(choice.threads))
                    return
                choice = self._traced(definition, choice)
                engine = self._engine(definition, choice.engine, choice.cohort_size)
                initial = engine.initial_values(definition.search.seed, report)
            log.info("%s in cohorts of %d: %s", choice.engine, choice.cohort_size, choice.why)
        except ENDS_CHILD:
            raise
        except Exception as error:
            self._channel.send(StudyRefused(storable(reason_of(error))))
        else:
            texts = [storable_text(warning) for warning in warnings]
            why = storable_text(choice.why)
            prepared = StudyPrepared(choice.cohort_size, choice.engine, choice.threads, why, texts, self.traces(), initial)
            self._channel.send(prepared)

    def _traced(self, definition: StudyDefinition, choice: Choice) -> Choice:
        """Trace the chosen engine; where the model cannot be stacked so, fall back on the next simpler one."""
        left = traced_before(definition)
        return traced(choice, lambda each: self._engine(definition, each.engine, each.cohort_size), ENDS_CHILD, left)

    def _train(self, order: TrainCohort) -> None:
        """Train a cohort; whatever happens, every setting is ended once and the training is closed by CohortTrained."""
        began = time.perf_counter()
        self._channel.send(OrderTaken())
        report = Report(self._channel, self.traces, [setting.number for setting in order.settings], order.more_at)
        try:
            definition = self._definition(order.study)
            with self._problem(definition).opened.settings.active():
                engine = self._engine(definition, order.engine, order.cohort_size)
                engine.train(order.settings, definition.training, report)
        except ENDS_CHILD:
            raise
        except Exception as error:
            reason = reason_of(error)
            for number in report.running():
                report.ended(Ended(number, TrialState.FAILED, report.epochs(number), reason))
        self._channel.send(CohortTrained(time.perf_counter() - began, self.traces()))

    def _problem(self, definition: StudyDefinition) -> TrainingProblem:
        return self._problems.get(problem_key(definition), lambda: self._made_problem(definition))

    def _made_problem(self, definition: StudyDefinition) -> TrainingProblem:
        opened = self._open(definition.workload.name, definition.workload.options)
        with opened.settings.active():
            return TrainingProblem(definition, opened)

    def _engine(self, definition: StudyDefinition, name: str, cohort_size: int) -> Engine:
        key = f"{name} {cohort_size} {problem_key(definition)}"
        engine = self._engines.get(key, lambda: made_engine(name, self._problem(definition), cohort_size))
        self._used_by[engine] = definition.name or ""
        return engine

    def _open(self, name: str, options: Mapping[str, Any]) -> LoadedWorkload:
        key = json.dumps([name, options], sort_keys=True)
        return self._opened.get(key, lambda: opened(name, options))


def problem_key(definition: StudyDefinition) -> str:
    """Return what decides a problem's graphs and starts: all but weights, seeds, epochs and the objective."""
    parts = definition.model_dump(mode="json", include={"workload", "tasks", "penalties"})
    for part in (*parts["penalties"], *(loss for task in parts["tasks"] for loss in task["losses"])):
        part.pop("weight")
    training = definition.training.model_dump(mode="json", include={"optimizer", "batch_size", "initial_weights", "shuffle"})
    return json.dumps([parts, training], sort_keys=True)


def reason_of(error: Exception) -> Reason:
    """Return why a study or a setting failed, with the user's file and line where its code raised.

    Memory that ran out has one code, wherever that was.
    """
    if isinstance(error, PreflightError):
        return replace(error.reason, code="out_of_memory") if _ran_out_of_memory(error) else error.reason
    at = place_of(error)
    log.error("training failed", exc_info=error)
    if _ran_out_of_memory(error):
        return Reason("out_of_memory", one_line(error), at)
    return Reason("workload_failed" if at else "internal_error", one_line(error), at)


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an exception, or one that it was raised from, says that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
            return True
        error = error.__cause__
    return False


class Report:
    """The observer of a cohort: passes everything on to the parent, and hears it in between. `traces`: those so far."""

    def __init__(
        self, channel: Channel, traces: Callable[[], Traces], numbers: Collection[int] = (), more_at: int | None = None
    ) -> None:
        self._channel, self._traces, self._more_at = channel, traces, more_at
        self._traced = traces_made()
        self._running = dict.fromkeys(numbers, 0)
        self._cancelled: set[int] = set()
        self._waits_at: int | None = None
        self._answer: Mapping[int, str] = {}
        self._more: Sequence[Setting] | None = None
        self._sent_at = self._called_at = time.perf_counter()
        self._slowest = 0.0

    def running(self) -> list[int]:
        """Return the settings that have not ended."""
        return list(self._running)

    def epochs(self, number: int) -> int:
        """Return the last epoch reported of a setting."""
        return self._running[number]

    def progress(self, steps: int) -> None:
        now, first = time.perf_counter(), self._slowest == 0.0
        self._slowest = max(self._slowest, now - self._called_at)
        if first or now - self._sent_at >= SECONDS_BETWEEN_PROGRESS or traces_made() != self._traced:
            self._traced = traces_made()
            self._send(StepsDone(steps, self._slowest, self._traces()))

    def epoch(self, report: EpochReport) -> None:
        self._running |= {number: report.epoch for number in report.numbers if number in self._running}
        self._send(report)

    def ended(self, ended: Ended) -> None:
        self._running.pop(ended.number, None)
        self._send(replace(ended, reason=storable(ended.reason)) if ended.reason else ended)

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        """Ask the parent who shall end at a rung, and wait for its answer; once all are cancelled there is none to wait for."""
        self._waits_at, self._answer = epoch, {}
        self._send(RungReached(epoch, list(numbers)))
        while self._waits_at is not None and not self._cancelled.issuperset(numbers):
            self._hear(self._channel.receive())
        self._waits_at = None
        return self._answer

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        """Ask the parent for settings at the rung that it named, where all that have not ended are, until it has none."""
        if epoch != self._more_at or not self._running.keys() <= set(numbers):
            return ()
        self._send(PlacesFree(epoch))
        while self._more is None and not self._cancelled.issuperset(numbers):
            self._hear(self._channel.receive())
        more, self._more = self._more or (), None
        self._more_at = epoch if more else None
        self._running |= {setting.number: 0 for setting in more}
        return more

    def cancelled(self, number: int) -> bool:
        while self._channel.waiting():
            self._hear(self._channel.receive())
        self._called_at = time.perf_counter()  # this is asked just before a graph call
        return number in self._cancelled

    def _hear(self, order: Order) -> None:
        match order:
            case ExitChild():
                raise ExitRequested
            case CancelSettings():
                self._cancelled |= set(self._running if order.numbers is None else order.numbers)
            case GoOn() if order.epoch == self._waits_at:
                self._waits_at, self._answer = None, order.prune
            case TrainAlso() if order.epoch == self._more_at:
                self._more = order.settings

    def _send(self, answer: Answer) -> None:
        self._channel.send(answer)
        self._sent_at = time.perf_counter()
