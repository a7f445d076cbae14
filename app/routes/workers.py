"""Who is alive."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import Settings, Storage
from app.schemas.fleet import WorkerBody, WorkerList
from storage import workers

router = APIRouter(prefix="/v1", tags=["workers"])


@router.get("/workers")
def list_workers(storage: Storage, settings: Settings) -> WorkerList:
    """List the workers that were heard of within a day: what each works on, and what it used at its last sign of life."""
    with storage.reading() as session:
        found = workers.list_workers(session, storage.now(session), settings.alive_within_seconds)
    return WorkerList(workers=[WorkerBody.model_validate(worker, from_attributes=True) for worker in found])
