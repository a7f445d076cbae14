"""Commands for the page: open it in a browser, and keep a study as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import ANY_STUDY, Json, StudyName, Url, connect
from steelyard.cli.output import answer, note
from steelyard.cli.results import write_whole
from steelyard.formatting import plain

if TYPE_CHECKING:
    from steelyard.client import Client


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("open", rich_help_panel="Looking")(open_page)
    app.command(rich_help_panel="Results")(report)


def open_page(
    name: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Name of the study (default: all studies).")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Open the service's page in a browser, and print its address.

    The page of a `steelyard.search` is served by the local service of such calls, which is started where none runs.
    """
    with connect(url, name or ANY_STUDY) as client:
        if name is None:
            next(iter(client.studies()), None)  # whether the service is there
        else:
            client.get(name)
        _require_page(client)
        address = client.page(name)
    in_browser(address)
    answer({"url": address}, as_json, lambda: plain(address))


def _require_page(client: Client) -> None:
    """Raise CommandFailed where the service is the API alone."""
    if not client.has_page():
        raise CommandFailed(f"the service at {client.base_url} shows no page and writes no report: it was started with --no-page")


def in_browser(address: str) -> None:
    """Open an address in a browser, where this machine has one."""
    import webbrowser

    webbrowser.open(address)


def report(
    name: StudyName,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Where it goes (STUDY.html).")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write a study as one HTML file that needs no service: verdict, figures, weights."""
    path = Path(output or f"{name}.html")
    with connect(url, name) as client:
        client.get(name)
        _require_page(client)
        write_whole(path, client.report(name))
    note(f"Wrote {path}.")
    if as_json:
        answer({"written": str(path)}, as_json, lambda: str(path))
