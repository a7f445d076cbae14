"""Whether the service can not only read but write: known from writes that failed, and from a tiny one now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.schemas.common import reason_body
from app.schemas.studies import Study
from storage.database import Database
from storage.errors import StorageBusy, StorageError, StorageFull, StorageUnavailable
from storage.probe import probe_write
from storage.records import Reason, StudyState

PROBE_SECONDS = 5.0
"""How long a probe holds."""
FAILED_SECONDS = 10.0
"""How long a write of a client that failed counts: a larger one may fail where the probe does not."""

MOVING = frozenset({StudyState.QUEUED, StudyState.RUNNING, StudyState.STOPPING})


class Readiness:
    """What is known of writes. Any thread may ask; one probes, and others meanwhile go by the last probe.

    A probe waits for the database's write lock for `busy_timeout_seconds`, as long as requests do: what they sit out is no trouble.
    `clock`: this process's monotonic time.
    """

    def __init__(self, url: str, busy_timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = Database(url, busy_timeout_seconds=busy_timeout_seconds), clock
        self._lock = threading.Lock()
        self._probed_at: float | None = None
        self._refused: StorageError | None = None
        self._failed: tuple[float, StorageError] | None = None

    def note(self, error: StorageError) -> None:
        """Remember that a client's write failed."""
        self._failed = (self._clock(), error)

    def trouble(self) -> StorageError | None:
        """Return why nothing can be written, or None. Probes where the last probe is too old."""
        if self._lock.acquire(blocking=False):
            try:
                if self._probed_at is None or self._clock() - self._probed_at >= PROBE_SECONDS:
                    self._refused = self._probe()
                    self._probed_at = self._clock()
            finally:
                self._lock.release()
        return self.known()

    def known(self) -> StorageError | None:
        """Return why nothing could be written when that was last tried, or None. Waits for nothing."""
        failed = self._failed
        if failed is not None and self._clock() - failed[0] < FAILED_SECONDS:
            return failed[1]
        return self._refused

    def close(self) -> None:
        self._database.close()

    def _probe(self) -> StorageError | None:
        try:
            probe_write(self._database)
        except (StorageBusy, StorageUnavailable) as error:
            return error
        return None


def standing_still(study: Study, readiness: Readiness) -> Study:
    """Return the study with what it waits for where nothing can be written: it goes on by itself once something can."""
    trouble = readiness.known() if study.state in MOVING else None
    if trouble is None:
        return study
    kinds = {StorageFull: "storage_full", StorageBusy: "storage_busy"}
    code = kinds.get(type(trouble), "storage_unavailable")
    message = f"waits: {trouble}; it goes on once the database can be written"
    return study.model_copy(update={"reason": reason_body(Reason(code, message))})
