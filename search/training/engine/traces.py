"""The graphs that the engines of this process trace: how many, in which time, and one at a time.

Each keeps some 10 MB for good, whatever is dropped afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock, local
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

from search.training.engine.busy_time import BusyTime

P = ParamSpec("P")
R = TypeVar("R")

_traces, _time = 0, BusyTime()
_tracing = RLock()
_call = local()
"""`traces`: whether the call of graphs that is under way in a thread has begun to trace. It has none outside of such a call."""


def traces_made() -> int:
    """Return how many graphs the engines of this process have traced."""
    return _traces


def tracing_seconds() -> float:
    """Return for how long the engines of this process have traced graphs or run one for the first time, in one thread or several.

    TensorFlow makes a graph ready when it first runs, which takes nearly as long as tracing it; the step done then counts too.
    """
    return _time.seconds


def traced(function: Callable[P, R]) -> Callable[P, R]:
    """Return the Python of a graph such that each trace of it counts, and no two are under way at once.

    A model's layers are wrapped and its variables stand for tensors while it is traced: two threads would undo each other's.
    """

    @functools.wraps(function)
    def one_at_a_time(*given: P.args, **named: P.kwargs) -> R:
        global _traces
        with _tracing:
            _traces += 1
            if not getattr(_call, "traces", True):
                _call.traces = True
                _time.begin()
            return function(*given, **named)

    return one_at_a_time


class Graphs:
    """A function of tensors as graphs: one for each form of what it is given, traced when it first comes. `heed` is given each."""

    def __init__(
        self, function: Callable[..., Any], signature: Sequence[Any] | None = None, heed: Callable[[Any], None] | None = None
    ) -> None:
        @functools.wraps(function)
        def heeded(*given: Any, **named: Any) -> Any:
            result = function(*given, **named)
            if heed is not None:
                heed(tf.compat.v1.get_default_graph())
            return result

        self._function = tf.function(traced(heeded), autograph=False, input_signature=signature)

    @property
    def kept(self) -> int:
        """How many graphs there are."""
        count: int = self._function.experimental_get_tracing_count()
        return count

    def made(self, *given: Any) -> Callable[[], Any]:
        """Trace the graph for these arguments without running it. Returns its run: a first is slow; any thread may do it."""
        before = self.kept
        with _counting():
            self._function.get_concrete_function(*given)
        return functools.partial(self._first_run if self.kept > before else self, *given)

    def _first_run(self, *given: Any) -> Any:
        with _time:
            return self._function(*given)

    def __call__(self, *given: Any) -> Any:
        """Run the graph, traced if need be."""
        with _counting():
            return self._function(*given)


@contextmanager
def _counting() -> Iterator[None]:
    """Count a call that traces, from there to its end, without the wait for its turn; one within another counts with that."""
    if hasattr(_call, "traces"):
        yield
        return
    _call.traces = False
    try:
        yield
    finally:
        if _call.traces:
            _time.end()
        del _call.traces
