"""What a study found: the best weights, and everything as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from app import results
from app.answers import tagged
from app.columns import columns_of, export_csv, export_jsonl
from app.dependencies import Storage, StudyName
from app.refusals import BadParameter, NotYet
from app.schemas.results import BestWeights
from search.errors import Fault, shown
from storage import studies

router = APIRouter(prefix="/v1/studies/{name}", tags=["results"])

Format = Literal["jsonl", "csv"]


@router.get("/best", response_model=BestWeights)
def show_best(
    request: Request,
    name: StudyName,
    storage: Storage,
    pick: Annotated[str, Query(max_length=200, description="`objective`; others are not yet supported.")] = "objective",
) -> Response:
    """Show the best weights so far; `final` tells whether the study has ended.

    409 of three types: `no-trial-yet` (with Retry-After), `no-trial` (it ended without one), `no-feasible-trial` (with `closest`).
    """
    if pick != "objective":
        raise BadParameter(Fault("query.pick", "objective: other picks are announced, but not yet supported", shown(pick)))
    with storage.reading() as session:
        document = results.best_weights(session, studies.get_study(session, name))
    return tagged(request, BestWeights.model_validate(document))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {}, "text/csv": {}}, "description": "All trials, one a line."}},
)
def export_trials(
    name: StudyName,
    storage: Storage,
    form: Annotated[Format, Query(alias="format", description="One JSON object a line, or CSV with a line of names.")] = "jsonl",
) -> StreamingResponse:
    """Send all trials as a file, by number. Trials that are added meanwhile may be in it."""
    with storage.reading() as session:
        study = studies.get_study(session, name)
        columns = columns_of(session, study)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    if form == "csv":
        return StreamingResponse(export_csv(storage, study, columns), headers=headers, media_type="text/csv; charset=utf-8")
    return StreamingResponse(export_jsonl(storage, study), headers=headers, media_type="application/jsonl")


@router.get("/pareto", include_in_schema=False)
def show_pareto(name: StudyName) -> None:
    raise NotYet("the Pareto front")


@router.get("/events", include_in_schema=False)
def stream_events(name: StudyName) -> None:
    raise NotYet("the stream of events")
