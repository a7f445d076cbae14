"""Commands that bring a study to the service: init, validate, submit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import DEFAULT_DATA_DIR, DataDir, DefinitionFile, Json, Timeout, Url, Workloads, connect
from steelyard.cli.output import answer, note, print_document, terminal, wants_document
from steelyard.cli.workload_files import register_and_wait
from steelyard.errors import DefinitionRefused
from steelyard.formatting import because

if TYPE_CHECKING:
    from steelyard.documents import Validation

PANEL = "Studies"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (init, validate, submit):
        app.command(rich_help_panel=PANEL)(command)


def init(
    workload: Annotated[str, typer.Argument(help="Name of a workload: `steelyard catalog workloads` lists them.")] = "digits",
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = "study.json",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write a study definition to start from."""
    document = _starter(workload, url)
    if wants_document(as_json) and output == "study.json":
        print_document(document)
        return
    path = Path(output)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise CommandFailed(f"{path} is there already (--force writes over it)") from None
    note(f"Wrote {path}. Have it checked: steelyard validate {path}, then: steelyard submit {path} --watch")


def _starter(workload: str, url: str | None) -> dict[str, Any]:
    from steelyard import study_templates

    if workload == "digits":
        return study_templates.digits()
    with connect(url) as client:
        found = client.workloads()
        published: dict[str, Any] = {entry["name"]: entry.get("description") for entry in found}
        errors = {entry["name"]: because(entry["error"]) for entry in found if entry.get("error")}
    if workload not in published:
        raise CommandFailed(f"the service has no workload {workload!r}, only: {', '.join(sorted(published))}")
    if workload in errors:
        raise CommandFailed(f"the workload {workload!r} cannot be described: {errors[workload]}")
    if not published[workload]:
        raise CommandFailed(f"no worker has published what the workload {workload!r} is yet; try again in a moment")
    return study_templates.for_workload(workload, published[workload])


def validate(file: DefinitionFile, as_json: Json = False, url: Url = None) -> None:
    """Check a definition without storing anything."""
    with connect(url) as client:
        try:
            found = client.validate(file)
        except DefinitionRefused as error:
            if wants_document(as_json):
                print_document(error.document)
            raise
    for warning in found["warnings"]:
        note(f"warning: {warning}")
    answer(found, as_json, lambda: _validated(found))


def _validated(found: Validation) -> str:
    name = found["definition"].get("name")
    parts = [
        f"The definition {name!r} is good" if name else "The definition is good",
        f"{found['trainings']} trainings: {found['cost']}",
    ]
    if found["grid_size"] is not None:
        parts.append(f"{found['grid_size']} grid points")
    return ", ".join(parts) + "."


def submit(
    file: DefinitionFile,
    name: Annotated[str | None, typer.Option("--name", help="Name of the study, in place of the definition's.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show its progress up to its end, then the best trial.")] = False,
    workload: Workloads = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout: Timeout = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Submit a study. Again with the same name and definition it is the same study.

    --workload registers a Python file in the data directory of the service, which has to be on this machine: no path and no code is
    sent to the service.
    """
    from steelyard.cli.tables import study_table
    from steelyard.cli.waiting import follow

    with connect(url) as client:
        register_and_wait(client, workload, data_dir)
        study = client.submit(file, name=name)
        for warning in study["warnings"]:
            note(f"warning: {warning}")
        if watch:
            note(f"Submitted {study['name']}: {study['cost']}. See it: {client.page(study)}")
            follow(client, study["name"], timeout=timeout, as_json=as_json)
            return
        address = client.page(study)
    if as_json:
        print_document(study)
    elif wants_document(as_json):  # no terminal: for a script's log, and for what reads the name
        print(f"{study['name']} {address}")
    else:
        terminal().print(study_table(study))
        note(f"{study['name']}: {study['cost']}")
        note(f"See it: {address}")
        note(f"Watch it: steelyard watch {study['name']}")
