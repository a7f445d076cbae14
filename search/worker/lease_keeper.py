"""A worker's hold on its lease: renewed in time, patient with a database that is away, and sure when it is lost."""

from __future__ import annotations

import math
from collections.abc import Callable

from search.logs import logger
from search.worker.backoff import Backoff
from storage import leases
from storage.database import Database, Session
from storage.errors import LeaseLost, StorageBusy, StorageError, StorageUnavailable
from storage.records import LeaseRecord

log = logger("steelyard.worker")

RENEWALS_A_LEASE = 4
LOOKS_A_SECOND = 1.0
FIRST_PAUSE_SECONDS = 0.2
TRIES_A_LEASE = 10
"""At least so many times a database that is away is tried again before the lease is given up."""

Write = Callable[[Session], object]


class Holding:
    """One lease as its holder sees it. Raises LeaseLost from `keep` and `write` once another may have the work.

    `clock` is this process's monotonic time. It only says when to renew, and when to give up because the database was away for as
    long as the lease lasts; whether the lease still holds is judged by the database's clock.
    """

    def __init__(self, database: Database, lease: LeaseRecord, seconds: float, clock: Callable[[], float]) -> None:
        self._database, self._seconds, self._clock = database, seconds, clock
        self.token = lease.token
        self._renewed_at = self._looked_at = clock()
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, seconds / TRIES_A_LEASE)
        self._away_until = -math.inf

    def keep(self) -> None:
        """Renew the lease where that is due; else look, about once a second, whether it was taken away (a cancel does that)."""
        now = self._clock()
        if now - self._renewed_at >= self._seconds / RENEWALS_A_LEASE:
            self.write()
        elif now - self._looked_at >= LOOKS_A_SECOND:
            self._looked_at = now
            self._patiently(self._look)

    def write(self, *writes: Write) -> bool:
        """Do `writes` in one transaction and renew the lease with it. Returns False where the database is away: try again later."""
        renewed = [*writes, lambda session: leases.renew(session, self.token, self._seconds, self._database.now(session))]
        return self._patiently(lambda: self._write(renewed))

    def finish(self, write: Write) -> bool:
        """Do the write that ends the lease. Returns False where the database is away: try again later."""
        return self._patiently(lambda: self._write([write]))

    def _write(self, writes: list[Write]) -> None:
        started = self._clock()
        with self._database.writing() as session:
            for write in writes:
                write(session)
        self._renewed_at = self._looked_at = started

    def _look(self) -> None:
        with self._database.reading() as session:
            leases.require_held(session, self.token, self._database.now(session))

    def _patiently(self, action: Callable[[], None]) -> bool:
        if self._clock() < self._away_until:
            self._require_time()
            return False
        try:
            action()
        except (StorageBusy, StorageUnavailable) as error:
            pause = self._backoff.failed()
            self._away_until = self._clock() + pause
            log.warning("database away", error=str(error), again_in_seconds=round(pause, 1))
            self._require_time(error)
            return False
        self._backoff.worked()
        return True

    def _require_time(self, error: StorageError | None = None) -> None:
        """Raise LeaseLost where the database was away for as long as the lease lasts: another may have the work."""
        if self._clock() - self._renewed_at >= self._seconds:
            raise LeaseLost(self.token) from error
