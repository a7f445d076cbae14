"""The worker: claims cohorts, has them trained by its child, and records what comes back. All SQL of a training happens here.

It never imports TensorFlow. It may be killed at any time: what it held is requeued when its lease expires, and every write it makes
carries the lease's token, so nothing that it says late is stored.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable

from search.logs import logger
from search.worker import leftovers
from search.worker.child_process import Child
from search.worker.child_session import ChildPipe
from search.worker.claim import Claimant
from search.worker.heartbeat import Heartbeat
from search.worker.registered_workloads import RegisteredWorkloads
from search.worker.settings import WorkerSettings
from search.worker.work_loop import WorkLoop
from storage.database import Database
from storage.migrations import require_current

log = logger("steelyard.worker")

__all__ = ["Worker", "WorkerSettings", "stop_on_signals"]


class Worker:
    """One worker process: `run` works until it is stopped, or idle for long enough."""

    def __init__(
        self,
        settings: WorkerSettings,
        start_child: Callable[[int], ChildPipe] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._start_child = start_child or (lambda threads: Child(threads, settings.memory_bytes))
        self._stopping = False

    def run(self) -> int:
        """Work until stopped or idle; return an exit code. Any thread will do; the training process dies with it."""
        settings = self._settings
        name = settings.name or f"{socket.gethostname()}-{os.getpid()}"
        leftovers.sweep()
        database = Database(settings.database_url)
        try:
            require_current(database)
            registered = RegisteredWorkloads(settings.workloads_folder, self._clock)
            heartbeat = Heartbeat(database, name, registered.names, settings.beat_seconds, self._clock)
            log.info("worker started", worker=name, workloads=list(registered.names))
            try:
                claimant = Claimant(heartbeat.worker_id, name, registered.names, settings.lease_seconds)
                stopping, start = lambda: self._stopping, self._start_child
                WorkLoop(database, heartbeat, claimant, registered, settings, start, stopping, self._clock).run()
            finally:
                heartbeat.deregister()
        finally:
            database.close()
        return 0

    def stop(self) -> None:
        """Have `run` return soon, from any thread: what is in training goes back to wait for another worker."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Return whether the worker was asked to stop."""
        return self._stopping


def stop_on_signals(worker: Worker) -> None:
    """Stop a worker on SIGTERM and SIGINT; asked twice, end this process at once. For a process of its own, in the main thread."""

    def stop(number: int, frame: object) -> None:
        if worker.stopping:
            os._exit(128 + number)
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
