"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.dependencies import Storage
from app.readiness import Readiness
from app.refusals import Closing, NotWritable
from app.schemas.fleet import Health
from storage.migrations import require_current

router = APIRouter(tags=["health"])


@router.get("/livez")
async def show_liveness() -> Health:
    """Answer, and ask nothing of the database."""
    return Health(status="ok")


@router.get("/readyz")
def show_readiness(request: Request, storage: Storage) -> Health:
    """Answer 200 where the database has the right schema and can be written, 503 otherwise and while the service shuts down.

    Whether it can be written is known from the last writes, and from a tiny one at most every five seconds.
    """
    if request.app.state.closing.is_set():
        raise Closing()
    require_current(storage)
    readiness: Readiness = request.app.state.readiness
    if (trouble := readiness.trouble()) is not None:
        raise NotWritable(str(trouble)) from trouble
    return Health(status="ready")
