"""The reaper in the API process: requeues what lost workers held and ends studies that were stopping."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.writing import writing
from storage import leases, lifecycle
from storage.database import Database
from storage.errors import StorageError

log = logging.getLogger("steelyard.api")


class Sweeper:
    """Sweeps every `seconds`, in a thread of its own, until it is closed. One that fails is tried again at the next turn.

    Before every sweep it calls `probe`, so that what is known of writes is never much older than a sweep.
    """

    def __init__(self, database: Database, seconds: float, probe: Callable[[], object] = lambda: None) -> None:
        self._database, self._probe = database, probe
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop sweeping and wait for a sweep that is under way."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            try:
                self._probe()
                if not self._closed.is_set():  # a probe may have waited long, and whoever closes waits with it
                    sweep(self._database)
            except StorageError as error:
                log.warning("sweep: %s", error)
            except Exception:
                log.exception("sweep failed")  # the next one may not


def sweep(database: Database) -> tuple[int, int]:
    """Reap expired leases and end stopping studies in which nothing runs; gives how many of each."""
    with writing(database) as session:
        now = database.now(session)
        reaped, stopped = leases.reap(session, now), lifecycle.settle_stopping(session, now)
    if reaped or stopped:
        log.info("sweep: %d leases reaped, %d studies stopped", reaped, stopped)
    return reaped, stopped
