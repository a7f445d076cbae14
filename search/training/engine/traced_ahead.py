"""Stacks that a training is likely to go on in, traced on a thread of their own while another stack trains.

A graph call holds no lock of Python's, so tracing takes a core that training leaves free. It decides nothing: which stack a setting
trains in does not depend on what is traced, and one that is not ready is waited for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from search.training.engine.stack import Stack
from search.training.problem.keras_settings import Snapshot, of_this_thread, set_for_thread
from search.workloads.blame import one_line

log = logging.getLogger("steelyard.training")

SWITCH_SECONDS = 5e-4
"""How long the thread that traces keeps Python's lock while the other waits for it, which it does some thirty times an epoch."""


class TracedAhead:
    """Traces stacks one after another. `trace` makes the graphs of one; what it raises is raised again where the stack is used."""

    def __init__(self, trace: Callable[[Stack], None]) -> None:
        self._trace = trace
        self._under_way: dict[Stack, Future[None]] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._switch_seconds = sys.getswitchinterval()

    def begin(self, stacks: Sequence[Stack]) -> None:
        """Have these stacks traced. What the caller traces meanwhile waits for its turn: see `traced`."""
        if not stacks:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "tracing")
            self._switch_seconds = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
        settings = of_this_thread()
        for stack in stacks:
            self._under_way[stack] = self._thread.submit(self._traced, stack, settings)

    def wait(self, stack: Stack | None = None) -> None:
        """Return once a stack is traced; without one, or where it was not begun with, once all are that were."""
        wait([self._under_way[stack]] if stack in self._under_way else self._under_way.values())

    def end(self) -> None:
        """Finish the stack that is being traced, and leave out those that were to follow."""
        if self._thread is None:
            return
        self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._under_way.clear()
        sys.setswitchinterval(self._switch_seconds)

    def _traced(self, stack: Stack, settings: Snapshot) -> None:
        set_for_thread(settings)
        try:
            self._trace(stack)
        except Exception as error:
            log.info("a stack of %d was not traced ahead: %s", stack.size, one_line(error))
