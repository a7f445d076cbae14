"""Every error that leaves the service, as RFC 9457 problem+json: one table from exception class to status, type and title.

The rooms below know no HTTP; what this room refuses by itself is in `app.refusals`, HTTP-free too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Mount

from app import refusals
from app.refusals import parameter_fault
from app.schemas.common import finite_document
from search import errors as search_errors
from search.analysis import answer
from search.errors import Fault, shown
from storage import errors as storage_errors

log = logging.getLogger("steelyard.api")

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
"""No more faults are listed in one answer; `detail` says how many there are."""
MAX_TEXT = 2000
MAX_DETAIL = 4000


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What an exception class becomes. `type` is `/problems/<slug>` and never changes."""

    status: int
    slug: str
    title: str
    retry_after_seconds: int | None = None

    @property
    def type(self) -> str:
        return f"/problems/{self.slug}"


PROBLEMS: Mapping[type[Exception], ProblemKind] = {
    # what is stored
    storage_errors.StudyNotFound: ProblemKind(404, "study-not-found", "There is no such study"),
    storage_errors.TrialNotFound: ProblemKind(404, "trial-not-found", "The study has no such trial"),
    storage_errors.WorkerNotFound: ProblemKind(404, "worker-not-found", "There is no such worker"),
    storage_errors.TermNotFound: ProblemKind(422, "unknown-term", "The study measures no such term or metric"),
    storage_errors.StudyExists: ProblemKind(409, "study-exists", "The name is taken"),
    storage_errors.WrongState: ProblemKind(409, "wrong-state", "The study cannot do that in its state"),
    storage_errors.BudgetTooSmall: ProblemKind(409, "budget-too-small", "Fewer trials than there are already"),
    storage_errors.TrialsTaken: ProblemKind(409, "trials-taken", "The trials are not waiting any more"),
    storage_errors.LeaseLost: ProblemKind(409, "lease-lost", "The lease has ended"),
    storage_errors.BadPageToken: ProblemKind(400, "bad-page-token", "Not a page token of this list"),
    storage_errors.StorageBusy: ProblemKind(503, "storage-busy", "The database is busy", retry_after_seconds=2),
    storage_errors.StorageUnavailable: ProblemKind(
        503, "storage-unavailable", "The database cannot be reached", retry_after_seconds=5
    ),
    storage_errors.StorageFull: ProblemKind(507, "storage-full", "The database has no room left"),
    storage_errors.SchemaOutdated: ProblemKind(503, "schema-outdated", "The database's schema is too old", retry_after_seconds=30),
    storage_errors.SchemaTooNew: ProblemKind(503, "schema-too-new", "The database's schema is too new", retry_after_seconds=30),
    storage_errors.StorageError: ProblemKind(500, "storage-error", "Storage failed"),
    # what a definition asks for
    search_errors.InvalidDefinition: ProblemKind(422, "definition-refused", "The study definition is refused"),
    search_errors.PreflightError: ProblemKind(422, "study-refused", "The study cannot be run as it is"),
    answer.NoAnswer: ProblemKind(500, "search-error", "The search failed"),  # every one of them has a type of its own, below
    search_errors.PluginMissing: ProblemKind(500, "plugin-missing", "A plug-in is not installed here"),
    search_errors.PluginFailed: ProblemKind(500, "plugin-failed", "A plug-in failed"),
    search_errors.SearchError: ProblemKind(500, "search-error", "The search failed"),
    # why a study has no one best trial
    answer.NoTrialYet: ProblemKind(409, "no-trial-yet", "No trial is complete yet", retry_after_seconds=5),
    answer.NoTrialEver: ProblemKind(409, "no-trial", "The study ended without a complete trial"),
    answer.NoFeasibleTrial: ProblemKind(409, "no-feasible-trial", "No trial keeps the constraints"),
    answer.SeveralBest: ProblemKind(409, "several-best", "There is a front of best trials, not one"),
    # what this room refuses
    refusals.OtherDefinition: ProblemKind(409, "other-definition", "A study of this name has another definition"),
    refusals.NoFixedWeights: ProblemKind(409, "no-fixed-weights", "The baseline moves weights in training"),
    refusals.NoSensitivityYet: ProblemKind(409, "no-sensitivity-yet", "What matters is not worked out yet", retry_after_seconds=5),
    refusals.NoSensitivity: ProblemKind(409, "no-sensitivity", "The study ended without what matters being worked out"),
    refusals.NotYet: ProblemKind(404, "not-yet", "Announced, but not yet supported"),
    refusals.WaitTooLong: ProblemKind(422, "bad-parameter", "A parameter of the request is refused"),
    refusals.BadParameter: ProblemKind(422, "bad-parameter", "A parameter of the request is refused"),
    refusals.UnreadableBody: ProblemKind(400, "unreadable-body", "The body is not JSON that the service reads"),
    refusals.UnsupportedBody: ProblemKind(415, "unsupported-body", "The body is not of a supported type"),
    refusals.BodyTooLarge: ProblemKind(413, "body-too-large", "The body is too large"),
    refusals.BodyTooSlow: ProblemKind(408, "body-too-slow", "The body did not come in time"),
    refusals.MalformedRequest: ProblemKind(400, "malformed-request", "The request is not HTTP"),
    refusals.HeaderTooLarge: ProblemKind(431, "header-too-large", "The request's header is too large"),
    refusals.HeaderTooSlow: ProblemKind(408, "header-too-slow", "The request's header did not come in time"),
    refusals.ForeignHost: ProblemKind(400, "foreign-host", "The service does not answer for this host"),
    refusals.ForeignOrigin: ProblemKind(403, "foreign-origin", "A web page of another site may not do that"),
    refusals.Closing: ProblemKind(503, "closing", "The service is shutting down", retry_after_seconds=5),
    refusals.TooManyStreams: ProblemKind(503, "too-many-streams", "Too many streams are open", retry_after_seconds=10),
    refusals.NotWritable: ProblemKind(503, "not-writable", "The database cannot be written", retry_after_seconds=10),
    refusals.NoSuchProblem: ProblemKind(404, "not-found", "There is nothing here"),
    refusals.Refusal: ProblemKind(400, "refused", "The request is refused"),
    # what the framework raises
    RequestValidationError: ProblemKind(422, "bad-parameter", "A parameter of the request is refused"),
    ClientDisconnect: ProblemKind(400, "client-gone", "The client went away"),
    Exception: ProblemKind(500, "internal-error", "Something went wrong in the service"),
}

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BY_STATUS: Mapping[int, ProblemKind] = {
    404: ProblemKind(404, "not-found", "There is nothing here"),
    405: ProblemKind(405, "method-not-allowed", "This path does not know that method"),
}
"""What the framework's own HTTPException becomes; any other status becomes `http-<status>`."""


def find_problem(error: Exception) -> ProblemKind:
    """Return the problem of the nearest class that the table has."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def install(app: FastAPI) -> None:
    """Answer every exception with its problem."""
    for kind in PROBLEMS:
        app.add_exception_handler(kind, _handle)
    app.add_exception_handler(HTTPException, _handle_http)


async def _handle(request: Request, error: Exception) -> Response:
    problem = find_problem(error)
    if isinstance(error, storage_errors.StorageUnavailable) and request.method != "GET":
        request.app.state.readiness.note(error)
    if problem.status == 503:
        log.warning("%s %s: %s (%s)", request.method, request.url.path, error, getattr(error, "detail", ""))
    return problem_response(error)


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = BY_STATUS.get(error.status_code, ProblemKind(error.status_code, f"http-{error.status_code}", str(error.detail)))
    details = {404: f"there is no {request.url.path}", 405: f"{request.url.path} does not know {request.method}"}
    headers = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
    return _response(problem, details.get(error.status_code, str(error.detail)), headers=headers)


def _methods(request: Request) -> list[str]:
    """List the methods that any route of the request's path takes. The framework names those of the first route alone.

    What is mounted matches every method and takes GET and HEAD: static files.
    """
    asked = {method: {**request.scope, "method": method} for method in METHODS}
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    taken = [method for method, scope in asked.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]
    return taken or ["GET", "HEAD"]


def problem_response(error: Exception) -> Response:
    """Return the answer to an exception of the table. Nothing of an unexpected one goes out but that it happened."""
    problem = find_problem(error)
    unexpected = problem.status == 500
    detail = "an unexpected error; the service's log says more" if unexpected else _detail(error)
    return _response(problem, detail, faults=_faults(error), more={} if unexpected else _more(error))


def _response(
    problem: ProblemKind,
    detail: str,
    *,
    faults: Iterable[Fault] = (),
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    errors = [_shown(fault) for fault in list(faults)[:MAX_ERRORS]]
    body = {"type": problem.type, "title": problem.title, "status": problem.status, "detail": detail[:MAX_DETAIL], "errors": errors}
    wait = {} if problem.retry_after_seconds is None else {"Retry-After": str(problem.retry_after_seconds)}
    text = json.dumps({**body, **(more or {})}, allow_nan=False)  # in ASCII: what is refused may hold text that UTF-8 cannot say
    return Response(text, status_code=problem.status, headers={**(headers or {}), **wait}, media_type=MEDIA_TYPE)


def _shown(fault: Fault) -> dict[str, str | None]:
    path, expected, got = (text[:MAX_TEXT] for text in (fault.path, fault.expected, fault.got))
    return {"path": path, "expected": expected, "got": got, "did_you_mean": fault.did_you_mean}


def _detail(error: Exception) -> str:
    faults = _faults(error)
    if len(faults) <= 1:
        return str(faults[0]) if faults else str(error)
    more = f"; the first {MAX_ERRORS} are listed" if len(faults) > MAX_ERRORS else ""
    return f"{len(faults)} things are wrong{more}. First: {faults[0]}"


def _faults(error: Exception) -> tuple[Fault, ...]:
    if isinstance(error, RequestValidationError):
        return tuple(map(parameter_fault, error.errors()))
    if isinstance(error, search_errors.InvalidDefinition | refusals.Refusal):
        return error.faults
    if isinstance(error, storage_errors.TermNotFound):
        return (Fault(error.path, "a term or metric of the study", shown(error.path)),)
    return ()


def _more(error: Exception) -> Mapping[str, Any]:
    """Return what the problem says beyond the standard members, so that a client need not read sentences."""
    if isinstance(error, refusals.Refusal):
        return error.members
    if isinstance(error, answer.NoAnswer):
        return _finite_members(error)
    if isinstance(error, storage_errors.WrongState):
        return {"state": error.state, "allowed": list(error.allowed)}
    if isinstance(error, storage_errors.BudgetTooSmall):
        return {"wanted": error.wanted, "least": error.least}
    return {}


def _finite_members(error: answer.NoAnswer) -> Mapping[str, Any]:
    """Return what the problem says of a trial or of picks; a trial's numbers as JSON can say them."""
    return {name: finite_document(value) if name == "closest" else value for name, value in error.members.items()}
