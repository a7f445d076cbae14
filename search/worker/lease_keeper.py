"""A worker's hold on its lease: renewed in time, patient with a database that is away, and sure when it is lost."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from storage import leases
from storage.database import Database, Session
from storage.errors import LeaseLost, StorageBusy, StorageUnavailable
from storage.records import LeaseRecord

log = structlog.get_logger("steelyard.worker")

RENEWALS_A_LEASE = 4
LOOKS_A_SECOND = 1.0

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
        try:
            action()
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))
            if self._clock() - self._renewed_at >= self._seconds:
                raise LeaseLost(self.token) from error
            return False
        return True
