"""What a study found: the best weights, and everything as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from app import ranking_service, results
from app.columns import columns_of, export_csv, export_jsonl
from app.dependencies import Document, Storage, StudyName
from app.etag import tagged
from app.openapi import RANK_BODY
from app.refusals import BadParameter
from app.schemas.results import BestWeights, ParetoFront, Ranking
from app.schemas.sensitivity import Sensitivity
from search.errors import Fault, shown
from storage import study_rows

router = APIRouter(prefix="/v1/studies/{name}", tags=["results"])

Format = Literal["jsonl", "csv"]


@router.get("/best", response_model=BestWeights)
def show_best(
    request: Request,
    name: StudyName,
    storage: Storage,
    pick: Annotated[
        str,
        Query(
            max_length=200,
            json_schema_extra={"pattern": r"^(objective|knee|nearest_ideal|confirmed|(metric|baseline):[^\x00]+)$"},
            description="`objective`, or of the Pareto front `knee`, `nearest_ideal` or `metric:PATH`, the best in one metric; "
            "`confirmed` where a study with aggregate `pareto` has trained its finalists again; `baseline:RULE`, such as "
            "`baseline:equal`, the weights of a baseline.",
        ),
    ] = "objective",
    aggregate: Annotated[
        str | None, Query(max_length=64, description="Judge by the same metrics under another aggregate, such as `worst`.")
    ] = None,
) -> Response:
    """Show the best weights so far; `final` says whether the study has ended.

    409 of five types: `no-trial-yet` (with Retry-After), `no-trial` (it ended without one), `no-feasible-trial` (with `closest`),
    and of a study with aggregate `pareto` that is asked without `pick`: `several-best` (with `picks`). A baseline that moves
    weights in training is `no-fixed-weights`.
    """
    if pick != "objective" and aggregate is not None:
        raise BadParameter(Fault("query.pick", "pick or aggregate, not both: a front has no aggregate", shown(pick)))
    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        if aggregate is not None:
            document = ranking_service.best_under(session, study, aggregate)
        elif pick != "objective":
            document = ranking_service.best_picked(session, study, pick)
        else:
            document = ranking_service.best(session, study)
    return tagged(request, BestWeights.model_validate(document))


@router.get("/pareto", response_model=ParetoFront)
def show_pareto(
    request: Request,
    name: StudyName,
    storage: Storage,
    reference: Annotated[
        str,
        Query(
            max_length=10_000,
            description="Reference point of the hypervolume: PATH:VALUE, between commas; a metric left out has its worst value.",
            examples=["digit.sparse_categorical_accuracy:0.5"],
        ),
    ] = "",
) -> Response:
    """Show the trials that no other beats in every optimised metric, whatever the study's aggregate; while it runs, so far."""
    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        document = ranking_service.front_document(session, study, ranking_service.front(session, study, reference))
    return tagged(request, ParetoFront.model_validate(document))


@router.get("/sensitivity", response_model=Sensitivity)
def show_sensitivity(request: Request, name: StudyName, storage: Storage) -> Response:
    """Show how much each searched parameter matters, and which range of it is as good as the winner.

    409 of two types: `no-sensitivity-yet` (with Retry-After), `no-sensitivity` (it ended before its plan did).
    """
    with storage.reading() as session:
        document = results.sensitivity_document(session, study_rows.get_study(session, name))
    return tagged(request, Sensitivity.model_validate(document))


@router.post("/rank", response_model=Ranking, openapi_extra=RANK_BODY)
def rank_trials(name: StudyName, document: Document, storage: Storage) -> Response:
    """Rank the trials that were trained to their last epoch by another objective: no training, and nothing is changed."""
    wanted = ranking_service.read_rank(document)
    with storage.reading() as session:
        found = ranking_service.rank(session, study_rows.get_study(session, name), wanted)
    return Response(Ranking.model_validate(found).model_dump_json(), media_type="application/json")


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
        study = study_rows.get_study(session, name)
        columns = columns_of(session, study)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    if form == "csv":
        return StreamingResponse(export_csv(storage, study, columns), headers=headers, media_type="text/csv; charset=utf-8")
    return StreamingResponse(export_jsonl(storage, study), headers=headers, media_type="application/jsonl")
