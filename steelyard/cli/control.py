"""Commands that change a study: extend, priority, retry, pause, resume, stop, cancel, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import Json, StudyName, Url, connect
from steelyard.cli.output import answer
from steelyard.formatting import plain, standing

if TYPE_CHECKING:
    from steelyard.documents import Study

PANEL = "Changing"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (extend, priority, retry, pause, resume, stop, cancel, delete):
        options = {"ignore_unknown_options": command is priority}  # -1 is a priority, not an option
        app.command(rich_help_panel=PANEL, context_settings=options)(command)


def extend(
    name: StudyName,
    trials: Annotated[str, typer.Argument(metavar="TRIALS", help="Search trials in all (64), or more of them (+32).")],
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Raise the number of search trials; a COMPLETE study goes on."""
    if not trials.removeprefix("+").isdecimal():
        raise CommandFailed(f"TRIALS is a number such as 64, or +32 for so many more, got {trials!r}")
    with connect(url) as client:
        wanted = int(trials)
        if trials.startswith("+"):
            wanted += int(client.get(name)["definition"]["search"]["trials"])
        _report(client.extend(name, wanted), as_json)


def priority(
    name: StudyName,
    value: Annotated[int, typer.Argument(metavar="PRIORITY", min=-1000, max=1000, help="0 unless a study says otherwise.")],
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Set which studies workers serve first: those of the highest priority, equal ones by turns."""
    with connect(url) as client:
        _report(client.patch(name, priority=value), as_json)


def retry(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Run FAILED trials again, or a study that failed before its first trial."""
    with connect(url) as client:
        _report(client.retry(name), as_json)


def pause(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Begin no new trainings; those that run finish."""
    with connect(url) as client:
        _report(client.pause(name), as_json)


def resume(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Go on after a pause."""
    with connect(url) as client:
        _report(client.resume(name), as_json)


def stop(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Let what runs finish, then end the study."""
    with connect(url) as client:
        _report(client.stop(name), as_json)


def cancel(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """End the study at once, with what runs."""
    with connect(url) as client:
        _report(client.cancel(name), as_json)


def delete(
    name: StudyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete an ended study and all its trials for good."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete study {name} and all its trials for good?", abort=True, err=True)
    with connect(url) as client:
        client.delete(name)
    answer({"deleted": name}, as_json, lambda: f"Deleted {plain(name)}.")


def _report(study: Study, as_json: bool) -> None:
    answer(study, as_json, lambda: plain(f"{study['name']} is {study['state']}: {standing(study)}"))
