"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.dependencies import Storage
from app.refusals import Closing
from app.schemas.fleet import Health
from storage.migrations import require_current

router = APIRouter(tags=["health"])


@router.get("/livez")
async def show_liveness() -> Health:
    """Answer, and ask nothing of the database."""
    return Health(status="ok")


@router.get("/readyz")
def show_readiness(request: Request, storage: Storage) -> Health:
    """Answer 200 where the database answers with the right schema, 503 otherwise and while the service shuts down."""
    if request.app.state.closing.is_set():
        raise Closing()
    require_current(storage)
    return Health(status="ready")
