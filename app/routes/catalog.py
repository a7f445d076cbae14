"""What a definition may name: the catalog, and the workloads."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.dependencies import Settings, Storage
from app.etag import tagged
from app.schemas.fleet import Catalog, WorkloadBody, WorkloadList
from app.submission import known_workloads, published_plugins
from search import catalog
from storage import workers, workloads

router = APIRouter(prefix="/v1", tags=["catalog"])


@router.get("/catalog", response_model=Catalog)
def show_catalog(request: Request, storage: Storage) -> Response:
    """List losses, metrics, penalties, optimizers, samplers and aggregates with their parameters and directions."""
    with storage.reading() as session:
        published = published_plugins(session)
    return tagged(request, Catalog(**catalog.describe(published.outside())))


@router.get("/workloads")
def list_workloads(request: Request, storage: Storage, settings: Settings) -> WorkloadList:
    """List the workloads with their outputs and options, as workers published them, or why one cannot be described."""
    with storage.reading() as session:
        now = storage.now(session)
        names = known_workloads(session, request.app.state.registered, now, settings.alive_within_seconds)
        live = workers.live_workloads(session, now, settings.alive_within_seconds)
        published = {workload.name: workload for workload in workloads.list_workloads(session)}
        failures = workloads.failures(session, now, settings.alive_within_seconds)
    return WorkloadList(
        workloads=[WorkloadBody.of(name, live.get(name, 0), published.get(name), failures.get(name)) for name in names]
    )
