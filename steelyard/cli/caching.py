"""The command that shows and clears what calls of `steelyard.search` keep on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import Json
from steelyard.cli.output import answer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Service")(cache)


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete the local database with all its studies, and end its service.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what `steelyard.search` keeps in the user's cache folder: its size, its studies, its service."""
    from steelyard.door import cache as kept

    folder = kept.cache_folder()
    if clear:
        running = kept.running_calls(folder)
        if running:
            raise CommandFailed(f"a call still runs (process {running[0]}): end it before")
        kept.clear(folder)
    found: dict[str, Any] = kept.contents(folder)
    size = f"{found['bytes'] / 2**20:.1f} MB"
    service = f"served at {found['service']}" if found["service"] else "no service runs"
    answer(found, as_json, lambda: f"{found['folder']}: {size}, {found['calls']} calls, {service}.")
