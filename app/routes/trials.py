"""A study's trials: page by page, one with its epochs, the curves of several."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic.config import JsonDict
from starlette.responses import Response

from app.columns import curve
from app.dependencies import PageSize, PageToken, Storage, StudyName, TrialNumber
from app.etag import tagged
from app.results import counted
from app.schemas.trials import CurvesBody, TrialList, TrialTable, TrialWithEpochs, epoch_body, trial_fields
from app.trial_listing import TrialQuery, curve_query, trial_page
from storage import curves, study_rows, trial_rows
from storage.records import Role, Split, TrialState

router = APIRouter(prefix="/v1/studies/{name}", tags=["trials"])

State = Annotated[TrialState | None, Query(description="Only trials in this state.")]
OfRole = Annotated[Role | None, Query(description="Only trials of this role.")]
NUMBERS: JsonDict = {"pattern": r"^\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*$"}
OrderBy = Annotated[
    str,
    Query(
        max_length=200,
        description="`number`, `objective`, or the path of a term or metric (its validation value); `-` before it for descending. "
        "What is missing, undefined, NaN or infinite comes last both ways.",
        examples=["-objective"],
    ),
]


@router.get("/trials", response_model=TrialList | TrialTable)
def list_trials(
    request: Request,
    name: StudyName,
    storage: Storage,
    state: State = None,
    role: OfRole = None,
    order_by: OrderBy = "number",
    page_size: PageSize = 100,
    page_token: PageToken = "",
    view: Annotated[Literal["list", "table"], Query(description="`table`: columns, for plots.")] = "list",
) -> Response:
    """List a study's trials."""
    query = TrialQuery(name, state, role, order_by, page_size, page_token, view)
    with storage.reading() as session:
        body = trial_page(session, query, request.app.state.page_tokens)
    return Response(body.model_dump_json(), media_type="application/json")


@router.get("/trials/{number}", response_model=TrialWithEpochs)
def show_trial(request: Request, name: StudyName, number: TrialNumber, storage: Storage) -> Response:
    """Show one trial with its epochs."""
    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        trial = trial_rows.get_trial(session, study.id, number)
        measured = counted(study, curves.measured(session, trial.id))
        epochs = [epoch_body(epoch) for epoch in curves.epochs_of(session, trial.id)]
    return tagged(request, TrialWithEpochs(**trial_fields(trial, measured), intermediate_values=epochs))


@router.get("/curves")
def show_curves(
    name: StudyName,
    storage: Storage,
    trials_: Annotated[
        str,
        Query(
            alias="trials",
            max_length=2000,
            description="Numbers, separated by commas.",
            examples=["0,17"],
            json_schema_extra=NUMBERS,
        ),
    ],
    terms: Annotated[
        str, Query(max_length=10_000, description="Paths of terms and metrics, separated by commas; all where it is left out.")
    ] = "",
    split: Annotated[Literal["train", "validation"], Query(description="Which rows the numbers are of.")] = "validation",
) -> CurvesBody:
    """Show the epochs of several trials at once."""
    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        numbers, paths = curve_query(session, study, trials_, terms)
        found = curves.curves(session, study.id, numbers, paths, Split(split))
    return CurvesBody(split=split, curves=[curve(number, points) for number, points in found.items()])
