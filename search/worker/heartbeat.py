"""A worker's heartbeat: the row that says it lives, and the sweep of what others left behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from importlib.metadata import version

from search.logs import logger
from search.worker import leftovers
from storage import leases, lifecycle, workers
from storage.database import Database
from storage.errors import StorageBusy, StorageUnavailable
from storage.fleet_records import WorkerUsage

log = logger("steelyard.worker")


class Heartbeat:
    """Registers a worker process, beats for it every `beat_seconds`, and deregisters it. `clock`: this process's monotonic time.

    Raises StorageBusy and StorageUnavailable, here and in `beat`.
    """

    def __init__(
        self, database: Database, name: str, workloads: Sequence[str], beat_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._database, self._beat_seconds, self._clock = database, beat_seconds, clock
        with database.writing() as session:
            record = workers.register(
                session,
                name=name,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=version("steelyard"),
                workloads=workloads,
                now=database.now(session),
            )
        self.worker_id = record.id
        self._beat_at = clock()

    def beat(self, state: str, usage: Callable[[], WorkerUsage], *, sweep: bool = False) -> None:
        """Say that the worker lives, if that is due, and end the leases, and the leftovers here, of those that do not.

        `usage` measures what it uses. `sweep`: do so now.
        """
        if not sweep and self._clock() - self._beat_at < self._beat_seconds:
            return
        self._beat_at, used = self._clock(), usage()
        with self._database.writing() as session:
            now = self._database.now(session)
            workers.heartbeat(session, self.worker_id, state, now, used)
            leases.reap(session, now)
            lifecycle.settle_stopping(session, now)
        leftovers.sweep()

    def deregister(self) -> None:
        """Say that the worker has ended. Where the database is away, its silence says so."""
        try:
            with self._database.writing() as session:
                workers.deregister(session, self.worker_id, self._database.now(session))
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("worker not deregistered", error=str(error))
