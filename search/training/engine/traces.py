"""The graphs that the engines of this process trace: how many, and one at a time.

Each keeps some 10 MB for good, whatever is dropped afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import RLock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_traces = 0
_tracing = RLock()


def traces_made() -> int:
    """Return how many graphs the engines of this process have traced."""
    return _traces


def traced(function: Callable[P, R]) -> Callable[P, R]:
    """Return the Python of a graph such that each trace of it counts, and no two are under way at once.

    A model's layers are wrapped and its variables stand for tensors while it is traced: two threads would undo each other's.
    """

    @functools.wraps(function)
    def one_at_a_time(*given: P.args, **named: P.kwargs) -> R:
        global _traces
        with _tracing:
            _traces += 1
            return function(*given, **named)

    return one_at_a_time
