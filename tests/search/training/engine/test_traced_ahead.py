"""Stacks that are traced while another trains: when, what they cost, and that they change nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.training.engine import busy_time
from search.training.engine import engine as engine_module
from search.training.engine.engine import CohortEngine
from search.training.engine.sizes import likely_sizes
from search.training.engine.stack import Stack
from search.training.engine.stacked_variable import form_of
from search.training.engine.strategies import STRATEGIES
from search.training.engine.traced_ahead import TracedAhead
from search.training.engine.traces import Graphs, traced, traces_made, tracing_seconds
from search.training.engine.tracing import trace
from tests.search.training.engine.test_pruned import BAD, GOOD, Judge, at
from tests.search.training.engine.test_sizes import COST
from tests.search.training.scenes import engine_of, linear, problem_of, rows, study, task, workload

TRAINED = {"epochs": 4, "batch_size": 8, "optimizer": {"name": "adam", "config": {"learning_rate": 0.1}}}


def _trained(monkeypatch: pytest.MonkeyPatch, epochs_left: int | None = None) -> tuple[CohortEngine, Judge, list[int]]:
    """Train eight settings of which one is left after epoch 2; return the graphs made by the rung and by the end as well.

    `epochs_left`: those for which smaller stacks are traced before the training; None: none is, not even the largest.
    """
    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)  # as if a graph were free
    x, y = rows(20, a=2, b=1)
    y["a"] = x[:, :2] * 3
    definition = study([task("a"), task("b")], training=TRAINED)
    engine = engine_of(definition, workload(linear({"a": 2, "b": 1}), (x, y)), "vectorized", 8)
    if epochs_left is not None:
        engine.trace(epochs_left)
    settings, before = at(2, **{f"bad{i}": BAD for i in range(7)}, good=GOOD), traces_made()

    class Counting(Judge):
        def pruned(self, epoch: int, numbers: Any) -> dict[int, str]:
            engine._ahead.wait()
            made.append(traces_made() - before)
            return {number: "hopeless" for number in numbers if number < 7}

    made: list[int] = []
    judge = Counting()
    engine.train(settings, definition.training, judge)
    return engine, judge, [*made, traces_made() - before]


def test_what_is_left_after_a_rung_goes_on_in_a_stack_that_was_traced_before_and_keeps_every_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, judge, (at_the_rung, after) = _trained(monkeypatch)
    assert sorted(size for size, _ in engine._stacks) == [1, 4, 8]
    assert at_the_rung == after == 6  # a graph that trains and one that measures, of each size
    monkeypatch.setattr(engine_module, "likely_sizes", lambda *_: [])
    other, alone, (at_the_rung, after) = _trained(monkeypatch)
    assert sorted(size for size, _ in other._stacks) == [1, 8]
    assert (at_the_rung, after) == (2, 4)
    assert [judge.values(7, epoch) for epoch in range(5)] == [alone.values(7, epoch) for epoch in range(5)]
    for mine, others in zip(engine.variables(7), other.variables(7), strict=True):
        np.testing.assert_array_equal(mine, others)


def test_the_stacks_in_which_settings_go_on_can_be_traced_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, judge, made = _trained(monkeypatch, epochs_left=2)
    assert sorted(size for size, _ in engine._stacks) == [1, 4, 8]
    assert (made, engine.graphs) == ([0, 0], 6)
    _, ahead, _ = _trained(monkeypatch)
    assert [judge.values(7, epoch) for epoch in range(5)] == [ahead.values(7, epoch) for epoch in range(5)]


def test_no_copies_are_traced_ahead() -> None:
    assert likely_sizes(8, 8, 10**9, STRATEGIES["unrolled"], COST) == []
    assert likely_sizes(16, 16, 10**9, STRATEGIES["vectorized"], COST) == [8, 2]
    assert likely_sizes(16, 16, 1, STRATEGIES["vectorized"], COST) == []  # not worth it


class Part:
    """Stands for a stack."""

    def __init__(self, size: int) -> None:
        self.size = size


def _stacks(*sizes: int) -> list[Stack]:
    return [cast(Stack, Part(size)) for size in sizes]


@pytest.fixture
def policy() -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield "mixed_bfloat16"
    keras.config.set_dtype_policy(before)


def test_a_stack_is_traced_under_the_settings_of_the_thread_that_trains(policy: str) -> None:
    found: list[tuple[str, bool]] = []

    def trace(stack: Stack) -> None:
        found.append((keras.config.dtype_policy().name, threading.current_thread() is threading.main_thread()))

    ahead = TracedAhead(trace)
    ahead.begin(_stacks(2))
    ahead.wait()
    ahead.end()
    assert found == [(policy, False)]


def test_a_stack_that_cannot_be_traced_ahead_is_left_to_whoever_uses_it() -> None:
    traced: list[int] = []

    def trace(stack: Stack) -> None:
        if stack.size == 2:
            raise ValueError("no graph")
        traced.append(stack.size)

    ahead, (one, other) = TracedAhead(trace), _stacks(2, 1)
    ahead.begin([one, other])
    ahead.wait(one)
    ahead.wait(other)
    ahead.end()
    assert traced == [1]


def test_at_the_end_the_rest_is_left_out_and_python_switches_threads_as_before() -> None:
    before, begun, released = sys.getswitchinterval(), threading.Event(), threading.Event()
    traced: list[int] = []

    def trace(stack: Stack) -> None:
        begun.set()
        assert released.wait(10)
        traced.append(stack.size)

    ahead = TracedAhead(trace)
    ahead.begin(_stacks(4, 2, 1))
    assert begun.wait(10)
    assert sys.getswitchinterval() < before
    threading.Timer(0.05, released.set).start()
    ahead.end()
    assert traced == [4]
    assert sys.getswitchinterval() == pytest.approx(before)


def test_no_two_graphs_are_traced_at_once() -> None:
    """Else one would put back what the other has wrapped of the same layers."""
    inside: list[int] = []
    most: list[int] = []
    other = threading.Event()

    def graph() -> None:
        inside.append(1)
        most.append(len(inside))
        other.wait(0.05)
        inside.pop()

    threads = [threading.Thread(target=traced(graph)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1, 1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which tracing is measured: one number, to be moved on."""
    now = [0.0]
    monkeypatch.setattr(busy_time, "perf_counter", lambda: now[0])
    return now


def test_a_call_counts_as_tracing_only_where_it_traces_and_a_graph_within_a_graph_counts_once(clock: list[float]) -> None:
    def taking(seconds: float, function: Any = tf.identity) -> Any:
        def took(x: Any) -> Any:
            clock[0] += seconds
            return function(x)

        return Graphs(took)

    inner = taking(2.0)
    outer, before = taking(1.0, inner), tracing_seconds()
    for x in (tf.constant(0.5), tf.constant(1.5)):  # of one form
        assert float(outer(x)) == float(x)
    assert tracing_seconds() - before == 3.0
    inner(tf.constant(1))
    assert tracing_seconds() - before == 5.0
    assert outer.kept == 1


def test_a_graph_is_made_without_a_run_and_its_first_run_alone_counts_with_it(clock: list[float]) -> None:
    def took(x: Any) -> Any:
        clock[0] += 2.0
        return tf.py_function(ran, [x], tf.float32)

    def ran(x: Any) -> Any:
        clock[0] += 1.0
        runs.append(float(x))
        return x

    runs: list[float] = []
    graphs, before = Graphs(took), tracing_seconds()
    first = graphs.made(tf.constant(0.5))
    assert (runs, graphs.kept, tracing_seconds() - before) == ([], 1, 2.0)
    assert float(first()) == 0.5
    graphs.made(tf.constant(1.5))()
    assert (runs, graphs.kept, tracing_seconds() - before) == ([0.5, 1.5], 1, 3.0)


@pytest.mark.parametrize("graph", ["train", "measure"])
def test_what_the_first_run_of_either_graph_raises_is_raised(graph: str) -> None:
    """TensorFlow makes a graph ready when it first runs, and may only then find that it cannot."""
    x, y = rows(20, a=2)
    problem = problem_of(study([task("a")], training=TRAINED), workload(linear({"a": 2}), (x, y)))
    stack = Stack(problem, problem.network(0), form_of(problem, problem.network(0)), STRATEGIES["vectorized"], 2)

    def unready(*given: Any) -> Any:
        return tf.py_function(refuse, [], tf.float32)

    def refuse() -> None:
        raise ValueError("no kernel")

    setattr(stack, graph, Graphs(unready))
    with pytest.raises(tf.errors.InvalidArgumentError, match="no kernel"):
        trace(problem, stack, None)


def test_the_time_of_a_graph_that_cannot_be_made_counts(clock: list[float]) -> None:
    def broken(x: Any) -> Any:
        clock[0] += 2.0
        raise ValueError("no")

    graphs, before = Graphs(broken), tracing_seconds()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            graphs(tf.constant(0.5))
    assert (tracing_seconds() - before, graphs.kept) == (4.0, 0)


def test_what_is_traced_while_another_thread_runs_a_graph_for_the_first_time_counts_with_that(
    clock: list[float],
) -> None:
    """Or tracing would take longer than the work that it is a part of."""
    traces, runs = threading.Event(), threading.Event()

    def ran(x: Any) -> Any:
        runs.set()
        assert traces.wait(60)
        clock[0] += 2.0
        return x

    def took(x: Any) -> Any:
        assert runs.wait(60)
        clock[0] += 1.0
        traces.set()
        return x

    before = tracing_seconds()
    first_run = threading.Thread(target=Graphs(lambda x: tf.py_function(ran, [x], tf.float32)).made(tf.constant(0.5)))
    first_run.start()
    Graphs(took)(tf.constant(0.5))
    first_run.join(60)
    assert tracing_seconds() - before == clock[0] == 3.0


def test_stacks_are_traced_ahead_once_the_group_has_made_its_own_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its first report, where the numbers before training are known from another stack."""
    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)
    definition = study([task("a"), task("b")], training={**TRAINED, "report_every": 2})
    engine = engine_of(definition, workload(linear({"a": 2, "b": 1}), rows(20, a=2, b=1)), "vectorized", 8)
    engine.train(at(2, alone=GOOD), definition.training, Judge())
    begun: list[tuple[int, int, int]] = []

    def begin(size: int, epochs: int) -> None:
        assert engine._last is not None
        begun.append((size, engine._last.done, engine._last.stack.measure.kept))

    monkeypatch.setattr(engine, "_trace_ahead", begin)
    for _ in range(2):
        engine.train(at(2, **{f"same{i}": GOOD for i in range(8)}), definition.training, Judge())
    assert begun == [(8, 2, 1), (8, 1, 1)]
