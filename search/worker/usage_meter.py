"""What a worker and its training process use, for the worker's heartbeat."""

from __future__ import annotations

import os

from search.processes import ResidentMemory
from search.worker.child_session import ChildSession
from storage.fleet_records import WorkerUsage


class UsageMeter:
    """Measures this process and one training process after another."""

    def __init__(self) -> None:
        self._peak = 0  # of the training processes so far, in bytes

    def read(self, session: ChildSession | None) -> WorkerUsage:
        """Return what this process and the session's use now. Memory is None where the system has no /proc."""
        own, child = ResidentMemory.find(os.getpid()), None if session is None else ResidentMemory.find(session.pid)
        traces = None if session is None else session.traces
        if child is not None:
            self._peak = max(self._peak, child.peak)
        if own is None:
            return WorkerUsage(traces=traces)
        return WorkerUsage(own.now + (0 if child is None else child.now), own.peak + self._peak, traces)
