"""What is read to be looked at: trials as points, and every repeated setting by seed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app import confirmation
from app.dependencies import Storage, StudyName
from app.etag import TaggedContent, tagged
from app.schemas.confirmation import RepeatedSettings
from app.schemas.points import Points
from storage import study_rows

router = APIRouter(prefix="/v1/studies/{name}", tags=["results"])


@router.get("/confirmation", response_model=RepeatedSettings)
def show_confirmation(request: Request, name: StudyName, storage: Storage) -> Response:
    """Show every setting that was trained on fresh seeds, by seed, with the intervals of its means and of the winner's lead.

    Empty before the first such training is complete; the verdict is there once the study is COMPLETE.
    """
    with storage.reading() as session:
        document = confirmation.confirmation_document(session, study_rows.get_study(session, name))
    return tagged(request, RepeatedSettings.model_validate(document))


@router.get("/points", response_model=Points)
def show_points(
    request: Request,
    name: StudyName,
    storage: Storage,
    most: Annotated[int, Query(ge=1, le=10_000, description="About so many trials, evenly spaced.")] = 800,
) -> Response:
    """Show search trials, baselines and references as columns to draw; of many trials a sample, front and best always in it."""
    with storage.reading() as session:
        found: TaggedContent = request.app.state.points.points(session, study_rows.get_study(session, name), most)
    return found.answer(request)
