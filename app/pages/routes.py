"""The page's addresses: studies, one study, one trial, workers, workloads; its files, and a study's report and script."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app import ranking_service
from app.dependencies import Storage, StudyName, TrialNumber
from app.pages import report
from app.pages.views import Views
from search.names import NAME_PATTERN
from search.workloads.flagship import FLAGSHIP
from storage import study_rows, trial_rows
from storage.database import Database
from storage.errors import StudyNotFound, TrialNotFound

router = APIRouter(include_in_schema=False)

MAX_NAME = 64


def _views(request: Request) -> Views:
    views: Views = request.app.state.views
    return views


@router.get("/")
def show_studies(request: Request) -> Response:
    """Show all studies."""
    return _views(request).page(request, "studies")


@router.get("/workers")
def show_workers(request: Request) -> Response:
    """Show who works."""
    return _views(request).page(request, "workers")


@router.get("/workloads")
def show_workloads(request: Request) -> Response:
    """Show what may be searched."""
    return _views(request).page(request, "workloads")


@router.get("/studies/{name}")
def show_study_page(request: Request, name: str, storage: Storage) -> Response:
    """Show one study, the answer first."""
    missing = _missing(storage, name)
    if missing:
        return _views(request).page(request, "missing", status=404, what=missing)
    return _views(request).page(request, "study", name=name)


@router.get("/studies/{name}/trials/{number}")
def show_trial_page(request: Request, name: str, number: TrialNumber, storage: Storage) -> Response:
    """Show one trial."""
    missing = _missing(storage, name, number)
    if missing:
        return _views(request).page(request, "missing", status=404, what=missing)
    return _views(request).page(request, "trial", name=name, number=number)


@router.get("/studies/{name}/report.html")
def download_report(request: Request, name: StudyName, storage: Storage) -> Response:
    """Send a study as one file that needs no server: figures, numbers and all."""
    content = report.report(_views(request), request, storage, name)
    attached = {"Content-Disposition": f'attachment; filename="{name}.html"', "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=attached, media_type="text/html; charset=utf-8")


@router.get("/studies/{name}/train.py")
def download_script(name: StudyName, storage: Storage, pick: str = "objective") -> Response:
    """Send a Keras file that trains the winner again. Raises as `best`, and PreflightError where no file can train it."""
    from search.export.script import script

    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        best = ranking_service.best(session, study) if pick == "objective" else ranking_service.best_picked(session, study, pick)
    attached = {"Content-Disposition": f'attachment; filename="{name}-train.py"', "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(script(best), headers=attached)


@router.get("/example.json")
def show_example() -> Response:
    """Send the definition that an empty service offers to begin with."""
    return JSONResponse(FLAGSHIP)


@router.get("/assets/{folder}/{file}")
def show_asset(request: Request, folder: str, file: str) -> Response:
    """Send a static file."""
    return _views(request).assets.answer(request, f"assets/{folder}/{file}")


def _missing(storage: Database, name: str, number: int | None = None) -> str:
    """Return what there is not, in words; empty where it is all there."""
    try:
        if len(name) > MAX_NAME or re.fullmatch(NAME_PATTERN, name) is None:
            raise StudyNotFound(name[:MAX_NAME])
        with storage.reading() as session:
            study = study_rows.get_study(session, name)
            if number is not None:
                trial_rows.get_trial(session, study.id, number)
    except (StudyNotFound, TrialNotFound) as error:
        return str(error)
    return ""
