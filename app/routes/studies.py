"""Submit, list, read, change, steer and delete studies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app import submission
from app.dependencies import Document, PageSize, PageToken, Settings, Storage, StudyName, Wait
from app.etag import tagged
from app.openapi import DEFINITION_BODY, PATCH_BODY
from app.schemas.studies import Study, StudyList, Validation
from app.settings import ApiSettings
from app.starting import as_it_stands
from app.study_views import study_bodies, study_body
from app.writing import writing
from search.validation.normalize import Normal
from storage import lifecycle, studies, study_rows
from storage.database import Database, Session
from storage.records import STUDY_ENDS, StudyRecord, StudyState

router = APIRouter(prefix="/v1/studies", tags=["studies"])

ValidateOnly = Annotated[bool, Query(description="Store nothing; say what the definition would do.")]
Order = Literal["created", "-created", "updated", "-updated", "name", "-name"]


@router.post(
    "",
    status_code=201,
    response_model=Study,
    openapi_extra=DEFINITION_BODY,
    responses={
        200: {"model": Study | Validation, "description": "The study that was sent before; with validate_only, what it would do."},
        201: {"description": "Stored; it waits for a worker.", "headers": {"Location": {"schema": {"type": "string"}}}},
    },
)
def submit_study(
    request: Request, document: Document, storage: Storage, settings: Settings, validate_only: ValidateOnly = False
) -> Response:
    """Submit a study. The same definition under the same name again is the same study."""
    sent = submission.normalised(storage, document, request.app.state.registered, settings)
    return _validated(storage, sent, settings) if validate_only else _submitted(request, storage, sent, settings)


def _validated(storage: Database, sent: Normal, settings: ApiSettings) -> Response:
    with storage.reading() as session:
        found = submission.validation(session, sent, storage.now(session), settings.alive_within_seconds)
    return Response(found.model_dump_json(), media_type="application/json")


def _submitted(request: Request, storage: Database, sent: Normal, settings: ApiSettings) -> Response:
    with writing(storage) as session:
        now = storage.now(session)
        study, created = submission.submit(session, sent, now)
        body = submission.submitted_body(session, study, now, settings.alive_within_seconds)
    body = as_it_stands(body, request.app.state)
    headers = {"Location": f"/v1/studies/{study.name}"}
    return Response(body.model_dump_json(), 201 if created else 200, headers, media_type="application/json")


@router.get("")
def list_studies(
    request: Request,
    storage: Storage,
    settings: Settings,
    state: Annotated[StudyState | None, Query(description="Only studies in this state.")] = None,
    search: Annotated[
        str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only studies whose name, workload or labels have this text.")
    ] = "",
    order_by: Annotated[Order, Query(description="`-` before it for descending.")] = "-created",
    page_size: PageSize = 50,
    page_token: PageToken = "",
) -> StudyList:
    """List the studies, the newest first unless `order_by` says otherwise."""
    tokens, of = request.app.state.page_tokens, f"studies {state} {order_by} {search}"
    after = tokens.open(page_token, of)
    at = int(after) if after else None
    with storage.reading() as session:
        found, following = studies.list_studies(
            session, page_size=page_size, after=at, state=state, search=search.strip(), order_by=order_by
        )
        bodies = study_bodies(session, found, storage.now(session), settings.alive_within_seconds)
    bodies = [as_it_stands(body, request.app.state) for body in bodies]
    return StudyList(studies=bodies, next_page_token=tokens.seal(following, of))


@router.get("/{name}", response_model=Study)
async def show_study(request: Request, name: StudyName, storage: Storage, settings: Settings, wait: Wait) -> Response:
    """Show one study. Sends an ETag; with If-None-Match an unchanged study is 304."""
    if wait:
        await _ended(request, storage, name, settings, wait)
    return await run_in_threadpool(lambda: tagged(request, as_it_stands(_read(storage, name, settings), request.app.state)))


def _read(storage: Database, name: str, settings: ApiSettings) -> Study:
    with storage.reading() as session:
        return study_body(session, study_rows.get_study(session, name), storage.now(session), settings.alive_within_seconds)


async def _ended(request: Request, storage: Database, name: str, settings: ApiSettings, seconds: float) -> None:
    """Wait for the study's end with short looks, holding neither a thread nor a transaction between them."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while not await run_in_threadpool(_has_ended, storage, name):
        left = deadline - clock.time()
        if left <= 0 or request.app.state.closing.is_set() or await request.is_disconnected():
            return
        await asyncio.sleep(min(settings.poll_seconds, left))


def _has_ended(storage: Database, name: str) -> bool:
    with storage.reading() as session:
        return study_rows.get_study(session, name).state in STUDY_ENDS


@router.patch("/{name}", openapi_extra=PATCH_BODY)
def change_study(request: Request, name: StudyName, document: Document, storage: Storage, settings: Settings) -> Study:
    """Change the number of trials, priority, labels or description. A COMPLETE study with more trials goes on."""
    patch = submission.read_patch(document)
    return _written(request, storage, settings, lambda session, now: submission.change(session, name, patch, now))


@router.post("/{name}/pause")
def pause_study(request: Request, name: StudyName, storage: Storage, settings: Settings) -> Study:
    """Begin no new cohorts; what runs goes on."""
    return _written(request, storage, settings, lambda session, now: lifecycle.pause(session, name, now))


@router.post("/{name}/resume")
def resume_study(request: Request, name: StudyName, storage: Storage, settings: Settings) -> Study:
    """Go on with a paused study."""
    return _written(request, storage, settings, lambda session, now: lifecycle.resume(session, name, now))


@router.post("/{name}/stop")
def stop_study(request: Request, name: StudyName, storage: Storage, settings: Settings) -> Study:
    """Let what runs finish, cancel what waits, then be STOPPED."""
    return _written(request, storage, settings, lambda session, now: lifecycle.stop(session, name, now))


@router.post("/{name}/cancel")
def cancel_study(request: Request, name: StudyName, storage: Storage, settings: Settings) -> Study:
    """End what runs and what waits, at once."""
    return _written(request, storage, settings, lambda session, now: lifecycle.cancel(session, name, now))


@router.post("/{name}/retry")
def retry_study(request: Request, name: StudyName, storage: Storage, settings: Settings) -> Study:
    """Do FAILED trials again; a study that failed in its preflight is prepared again.

    Not those with the reason `no_objective`: on the same seed they would be trained to the same numbers.
    """
    return _written(request, storage, settings, lambda session, now: lifecycle.retry(session, name, now))


@router.delete("/{name}", status_code=204, response_class=Response)
def delete_study(name: StudyName, storage: Storage) -> None:
    """Delete an ended study with everything it measured."""
    with writing(storage) as session:
        lifecycle.delete_study(session, name, storage.now(session))


def _written(
    request: Request, storage: Database, settings: ApiSettings, write: Callable[[Session, datetime], StudyRecord]
) -> Study:
    """Do one change in one transaction, and return the study as it is then."""
    with writing(storage) as session:
        now = storage.now(session)
        body = study_body(session, write(session, now), now, settings.alive_within_seconds)
    return as_it_stands(body, request.app.state)
