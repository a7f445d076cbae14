"""What the contract announces and this version does not have: "not yet", whatever else is wrong with the request."""

from __future__ import annotations

from fastapi import APIRouter

from app.refusals import NotYet

router = APIRouter(include_in_schema=False)


@router.post("/v1/studies/{name}/trials")
async def enqueue_trial() -> None:
    raise NotYet("a weight setting of your own as a trial")


@router.get("/metrics")
async def show_metrics() -> None:
    raise NotYet("metrics for Prometheus")
