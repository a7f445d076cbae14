"""Options and arguments that several commands have, and the client they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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


def connect(url: str | None) -> Client:
    """Return a client of the service."""
    from steelyard.client import Client

    return Client(url)
