"""Which worker works an analysis out: one at a time, for as long as an analysis takes at most. It is a courtesy and no lease.

An analysis holds no lease: whoever keeps it first is right, and two would keep the same. So a claim only saves the others the work,
and a dead worker's runs out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from storage import derived
from storage.database import Session
from storage.records import StudyRecord

CLAIM_SECONDS = 30.0
"""An analysis takes some seconds; after so many another worker begins with it."""

WORKER = "worker"


def take(session: Session, study: StudyRecord, kind: str, worker_id: int, now: datetime) -> bool:
    """Return whether this worker is to work an analysis of the study out, and keep that it is. The study is locked."""
    claim = derived.find_analysis(session, study.id, _kind(kind))
    if claim is not None and claim.sequence == study.sequence:
        fresh = now - claim.created_at < timedelta(seconds=CLAIM_SECONDS)
        if fresh and claim.document[WORKER] != worker_id:
            return False
    derived.keep_analysis(session, study.id, _kind(kind), {WORKER: worker_id}, study.sequence, now)
    return True


def _kind(kind: str) -> str:
    return f"{kind}_claim"
