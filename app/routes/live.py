"""What runs now and what happens: cohorts in training, and streams of events (Server-Sent Events)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from app import running, stream
from app.dependencies import Storage, StudyName
from app.etag import tagged
from app.refusals import TooManyStreams
from app.schemas.running import CohortList
from storage import study_rows

router = APIRouter(prefix="/v1", tags=["live"])

MOST_LAST = 10_000
LONGEST_ID = 18


@router.get("/studies/{name}/cohorts", response_model=CohortList)
def list_cohorts(request: Request, name: StudyName, storage: Storage) -> Response:
    """List what trains now: each cohort with its worker, engine, trials, time left and the age of its lease."""
    with storage.reading() as session:
        found = running.cohort_list(session, study_rows.get_study(session, name), storage.now(session))
    return tagged(request, found)


def _study_id(name: StudyName, storage: Storage) -> int:
    """Return the study's id before the answer begins: a study that is not there is 404, not an empty stream."""
    with storage.reading() as session:
        return study_rows.get_study(session, name).id


async def _room(request: Request) -> None:
    """Refuse a stream before its answer begins, where too many are open. Raises TooManyStreams."""
    watching: stream.EventStream = request.app.state.events
    if watching.watchers >= (most := stream.most_watchers()):
        raise TooManyStreams(most)


def _resume(sent: Annotated[str, Header(alias="Last-Event-ID")] = "") -> int | None:
    """Return the id that a client has seen; None where it says none that could be ours."""
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) <= LONGEST_ID else None


@router.get("/studies/{name}/events", response_class=EventSourceResponse, dependencies=[Depends(_room)])
async def stream_events(
    request: Request,
    study_id: Annotated[int, Depends(_study_id)],
    storage: Storage,
    after: Annotated[int | None, Depends(_resume)],
    last: Annotated[int, Query(ge=0, le=MOST_LAST, description="Begin with so many of the latest events.")] = 0,
    follow: Annotated[bool, Query(description="Go on with every new one; otherwise end after those that are there.")] = True,
) -> AsyncIterator[ServerSentEvent]:
    """Stream what happens to a study: `event` is `study.created`, `study.state`, `study.changed` or `trial.state`.

    `id` is the event's, `data` its body and `at`. With the header Last-Event-ID it goes on after that one.
    """
    found = stream.study_events(request.app.state.events, storage, study_id, last=last, after=after, follow=follow)
    async for event in found:
        body = {**event.body, "at": event.created_at.isoformat()}
        yield ServerSentEvent(id=str(event.id), event=event.kind, data=body)


@router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(_room)])
async def stream_changes(request: Request) -> AsyncIterator[ServerSentEvent]:
    """Stream the names of studies to which something happens, as hints to look again. What was missed is not sent again."""
    yield ServerSentEvent(comment="listening")
    async for name in stream.changed_studies(request.app.state.events):
        yield ServerSentEvent(event="study", data={"study": name})
