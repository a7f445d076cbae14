"""What routes ask for, as Annotated aliases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from pydantic.config import JsonDict

from app import strict_json
from app.refusals import BadParameter, WaitTooLong
from app.settings import ApiSettings
from search.errors import Fault, shown
from search.names import NAME_PATTERN, listed, nearest
from storage.database import Database
from storage.errors import StudyNotFound

MAX_NUMBER = 2**31 - 1
A_NAME: JsonDict = {"pattern": NAME_PATTERN, "maxLength": 64}
A_NUMBER: JsonDict = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}
"""What the OpenAPI page says of them. No study of another name is there: that is a 404, and no bad parameter."""


async def _settings(request: Request) -> ApiSettings:
    settings: ApiSettings = request.app.state.settings
    return settings


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _study_name(
    name: Annotated[str, Path(description="Name of the study.", examples=["digit-and-parity"], json_schema_extra=A_NAME)],
) -> str:
    if len(name) > 64 or re.fullmatch(NAME_PATTERN, name) is None:
        raise StudyNotFound(name[:64])
    return name


async def _trial_number(
    number: Annotated[str, Path(description="Number of the trial, from 0.", examples=["17"], json_schema_extra=A_NUMBER)],
) -> int:
    if not (number.isascii() and number.isdigit()) or len(number) > 10 or int(number) > MAX_NUMBER:
        raise BadParameter(Fault("path.number", "a trial's number, from 0", shown(number)))
    return int(number)


async def _wait(
    settings: Annotated[ApiSettings, Depends(_settings)],
    wait: Annotated[
        float,
        Query(ge=0, allow_inf_nan=False, description="Answer at the study's end, or after so many seconds, whichever comes first."),
    ] = 0,
) -> float:
    if wait > settings.max_wait_seconds:
        raise WaitTooLong(wait, settings.max_wait_seconds)
    return wait


def _document(read: Annotated[bytes, Depends(strict_json.read_body)]) -> Any:
    return strict_json.parse(read)


async def only_known_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not have, so that a misspelt filter is not a filter left out."""
    known = set(_query_names(request.scope["route"].dependant))
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        expected = f"one of the parameters {listed(known)}" if known else "no parameters"
        raise BadParameter(*(Fault(f"query.{name}", expected, "an unknown parameter", nearest(name, known)) for name in unknown))


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


Settings = Annotated[ApiSettings, Depends(_settings)]
Storage = Annotated[Database, Depends(_database)]
"""The database; a route opens one transaction on it, in one thread: `with storage.reading() as session`."""

StudyName = Annotated[str, Depends(_study_name)]
Wait = Annotated[float, Depends(_wait)]
"""How many seconds a request may wait for its study's end."""
TrialNumber = Annotated[int, Depends(_trial_number)]
Document = Annotated[Any, Depends(_document)]
"""The request's body as strict JSON."""

PageSize = Annotated[int, Query(ge=1, le=1000, description="Most items on a page.")]
PageToken = Annotated[
    str,
    Query(max_length=4096, description="`next_page_token` of the page before, the other parameters as there; empty for the first."),
]
