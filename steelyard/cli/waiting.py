"""Commands that stay until a study ends: watch, wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from steelyard.cli.exit_codes import OF_STATE, Exit
from steelyard.cli.options import Json, StudyName, Timeout, Url, connect
from steelyard.cli.output import beside_document, note, notes, print_document, wants_document
from steelyard.formatting import because, has_front, plain

if TYPE_CHECKING:
    from rich.console import Console

    from steelyard.client import Client
    from steelyard.documents import Study

PANEL = "Studies"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (watch, wait):
        app.command(rich_help_panel=PANEL)(command)


def watch(name: StudyName, timeout: Timeout = None, as_json: Json = False, url: Url = None) -> None:
    """Show a study's progress up to its end, then its best trial beside the others. Ctrl-C stops watching, not the study."""
    with connect(url, name) as client:
        follow(client, name, timeout=timeout, as_json=as_json)


def wait(name: StudyName, timeout: Timeout = None, as_json: Json = False, url: Url = None) -> None:
    """Wait in silence for a study's end: the exit code says which."""
    with connect(url, name) as client, _going_on(name, "wait"):
        study = client.wait(name, timeout=timeout, progress=False)
    if wants_document(as_json):
        print_document(study)
    raise typer.Exit(OF_STATE[study["state"]])


def follow(client: Client, name: str, *, timeout: float | None, as_json: bool) -> None:
    """Show progress up to the end, then the outcome. Ends the command with the exit code of the study's state."""
    from steelyard.progress import shown_on

    with _going_on(name, "watch"):
        with shown_on(notes()) as shown:
            *_, study = map(shown.seen, client.watch(name, timeout=timeout))
        if not as_json:
            show_outcome(client, study, beside_document(as_json))
    if wants_document(as_json):
        print_document(study)
    elif has_front(study) and study["progress"]["trials"].get("COMPLETE"):
        note(f"The weights of one of them as JSON: steelyard best {name} --pick knee --output best-weights.json")
    elif study["best"] is not None:
        note(f"The weights as JSON: steelyard best {name} --output best-weights.json")
    raise typer.Exit(OF_STATE[study["state"]])


def show_outcome(client: Client, study: Study, console: Console) -> None:
    """Print the answer of a confirmed study, the best trial beside the others of any other, a front, or why there is none."""
    from steelyard.cli.best_table import AnswerTable, conclusion
    from steelyard.cli.comparison import compare, comparison_table
    from steelyard.cli.front import front_shown

    if has_front(study) and front_shown(client, study, console):
        return
    if study["best"] is None:
        why = because(study["reason"])
        text = f"{study['name']} ended {study['state']} without {_lacking(study)} trial" + (f": {why}" if why else "")
        console.print(plain(text), soft_wrap=True)
        return
    if study["state"] == "COMPLETE" and "confirmation" in (best := client.best(study)):
        console.print("\n".join(map(plain, conclusion(best))), soft_wrap=True)
        console.print(AnswerTable(best))
        return
    comparison = compare(client, study)
    console.print(comparison_table(comparison))
    console.print(comparison.sentence, soft_wrap=True)


def _lacking(study: Study) -> str:
    """Return which trials there are none of; that the complete ones break constraints is reported by `best`."""
    return "a feasible" if study["progress"]["trials"].get("COMPLETE") else "a complete"


@contextmanager
def _going_on(name: str, command: str) -> Iterator[None]:
    """Say on Ctrl-C that the study goes on, and how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"No longer watching; the study goes on. Come back: steelyard {command} {name}  End it: steelyard stop {name}")
        raise typer.Exit(Exit.INTERRUPTED) from None
