"""Commands that look at what is there: list, show, trials, logs, catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import Json, StudyName, Url, connect
from steelyard.cli.output import answer, note
from steelyard.formatting import because, plain, warnings_of, worth

if TYPE_CHECKING:
    from rich.console import RenderableType

    from steelyard.documents import Study, Trial

PANEL = "Looking"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("list", rich_help_panel=PANEL)(list_studies)
    for command in (show, trials, logs, catalog):
        app.command(rich_help_panel=PANEL)(command)


def list_studies(
    state: Annotated[str | None, typer.Option("--state", help="Only studies in this state, such as RUNNING.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List all studies, the newest first."""
    from steelyard.cli.tables import studies_table

    with connect(url) as client:
        found = list(client.studies(state=_upper(state)))
    answer(
        {"studies": found}, as_json, lambda: studies_table(found) if found else "No studies yet. Submit one: steelyard submit FILE"
    )


def show(
    name: StudyName,
    trial: Annotated[int | None, typer.Option("--trial", "-t", min=0, help="Show this trial, with its epochs in the JSON.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show one study, or one of its trials."""
    from steelyard.cli.tables import study_table, trial_table

    with connect(url, name) as client:
        if trial is None:
            study = client.get(name)
            answer(study, as_json, lambda: study_table(study))
        else:
            found = client.trial(name, trial)
            answer(found, as_json, lambda: trial_table(found))


def trials(
    name: StudyName,
    state: Annotated[str | None, typer.Option("--state", help="Only trials in this state, such as COMPLETE.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="Only search or baseline trials.")] = None,
    order_by: Annotated[
        str | None,
        typer.Option("--order-by", metavar="KEY", help="number, objective or a metric's path; - in front for descending."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only the first so many.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List a study's trials."""
    from steelyard.cli.tables import trials_table

    with connect(url, name) as client:
        every = client.trials(name, state=_upper(state), role=role, order_by=order_by, page_size=min(limit or 1000, 1000))
        found = list(islice(every, limit))
    answer({"trials": found}, as_json, lambda: trials_table(found) if found else "No such trials.")


def logs(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Show what happened in a study, in order: its own steps, and how each trial ended."""
    with connect(url, name) as client:
        study = client.get(name)
        happened = sorted([*_steps(study), *_ends(client.trials(study, page_size=1000))], key=lambda event: str(event["at"]))
    answer({"events": happened}, as_json, lambda: _events(happened))
    for warning in warnings_of(study):
        note(f"warning: {warning}")


def _steps(study: Study) -> Iterator[dict[str, Any]]:
    times, reason = study["times"], because(study["reason"])
    steps = {"created_at": "created", "started_at": "prepared", "ended_at": study["state"]}
    for field, what in steps.items():
        if times.get(field):
            message = f"{what}: {reason}" if reason and field == "ended_at" else what
            yield {"at": times[field], "trial": None, "message": f"study {message}"}
    if reason and not study["ended"]:
        yield {"at": times["updated_at"], "trial": None, "message": f"study {study['state']}: {reason}"}


def _ends(found: Iterator[Trial]) -> Iterator[dict[str, Any]]:
    for trial in found:
        why = because(trial["reason"])
        if not trial["ended"] and not why:
            continue
        role = trial["rule"] or trial["role"]
        judged = (
            trial["objective"]["value"] is not None or "objective.value" in trial["not_finite"]
        )  # a front's trials have no value
        value = f", worth {worth(trial)}" if trial["state"] == "COMPLETE" and judged else ""
        attempts = f", attempt {trial['attempt']}" if trial["attempt"] > 1 else ""
        message = f"trial {trial['number']} ({role}) {trial['state']}{value}{attempts}" + (f": {why}" if why else "")
        at = trial["ended_at"] or trial["started_at"] or trial["created_at"]
        yield {"at": at, "trial": trial["number"], "message": message}


def _events(happened: list[dict[str, Any]]) -> RenderableType:
    from steelyard.cli.tables import moment

    return "\n".join(f"{moment(event['at'])}  {plain(event['message'])}" for event in happened)


def catalog(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="losses, metrics, penalties, optimizers, samplers, aggregates, pruners, aliases, workloads or workers."
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List the names that a definition may use, the workloads, or the workers."""
    with connect(url) as client:
        if kind in ("workloads", "workers"):
            found: dict[str, Any] = {kind: client.workloads() if kind == "workloads" else client.workers()}
        else:
            found = client.catalog()
    if kind is not None and kind not in found:
        raise CommandFailed(f"the catalog has no {kind!r}, only: {', '.join([*found, 'workloads', 'workers'])}")
    chosen = found if kind is None else {kind: found[kind]}
    answer(chosen, as_json, lambda: _drawn(chosen))


def _drawn(chosen: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from steelyard.cli import tables

    draw: dict[str, Callable[[Any], RenderableType]] = {
        "workloads": tables.workloads_table,
        "workers": tables.workers_table,
        "aliases": tables.aliases_table,
    }
    drawn = (draw[kind](entries) if kind in draw else tables.catalog_table(kind, entries) for kind, entries in chosen.items())
    return Group(*drawn)


def _upper(state: str | None) -> str | None:
    return None if state is None else state.upper()
