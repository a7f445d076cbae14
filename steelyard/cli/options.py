"""Options and arguments that several commands have, and the client they ask for."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from steelyard.client import Client

DEFAULT_DATA_DIR = "steelyard-data"

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="STEELYARD_URL", metavar="URL", help="Where the service is.", show_default="http://127.0.0.1:8765"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the JSON document, as is done by itself where stdout is no terminal.")]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
DefinitionFile = Annotated[str, typer.Argument(metavar="FILE", help="A study definition (JSON).")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0, metavar="SECONDS", help="Give up waiting after this (exit code 4); the study goes on."),
]
DataDir = Annotated[
    str,
    typer.Option("--data-dir", envvar="STEELYARD_DATA_DIR", metavar="DIR", help="Where the SQLite database is kept."),
]
Workloads = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        metavar="NAME=FILE[:ATTRIBUTE]",
        help="A workload in a Python file, such as ads=ads.py; may be given several times. Workers take up changes of the file.",
    ),
]


ANY_STUDY = ""


def connect(url: str | None, study: str | None = None) -> Client:
    """Return a client of the service.

    study: the one that is looked at. Where no service is given, one of a `steelyard.search` is asked of the local service of such
    calls, which is started where none runs; ANY_STUDY too where only that has studies: nothing listens at the usual address.
    """
    from steelyard.client import Client

    return Client(url if url is not None or study is None else _local(study))


def _local(study: str) -> str | None:
    from steelyard.client import DEFAULT_URL
    from steelyard.door.cache import cache_folder, remembered_calls
    from steelyard.door.local import local_service

    folder = cache_folder()
    known = {call["study"] for call in remembered_calls(folder) if call.get("local", True)}
    wanted = study in known or (study == ANY_STUDY and bool(known) and not _listens(DEFAULT_URL))
    return local_service(folder) if wanted else None


def _listens(url: str) -> bool:
    """Return whether something listens at an address."""
    place = urlsplit(url)
    with contextlib.suppress(OSError), socket.create_connection((str(place.hostname), place.port or 80), timeout=1):
        return True
    return False
