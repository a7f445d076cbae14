"""Commands that take results home: best, pareto, sensitivity, export."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import Json, StudyName, Url, connect
from steelyard.cli.output import answer, note, print_document, wants_document

if TYPE_CHECKING:
    from rich.console import RenderableType

    from steelyard.client import Client

PANEL = "Results"
FORMATS = ("jsonl", "csv")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (best, pareto, sensitivity, export):
        app.command(rich_help_panel=PANEL)(command)


def best(
    name: StudyName,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the best-weights JSON there.")] = None,
    script: Annotated[
        str | None, typer.Option("--script", metavar="FILE", help="Write a Keras file there that trains the winner again.")
    ] = None,
    pick: Annotated[
        str | None, typer.Option("--pick", help="One of a front: knee, nearest_ideal, metric:PATH, confirmed; or baseline:RULE.")
    ] = None,
    aggregate: Annotated[
        str | None, typer.Option("--aggregate", help="Judge by the same metrics under another aggregate, such as worst.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Get the best weights so far, as JSON for `steelyard.apply` and `compile(loss_weights=...)`."""
    if output is not None and output.lower() == "json":
        raise CommandFailed("-o takes a file; for JSON on standard output use --json (and ./json for a file of that name)")
    with connect(url, name) as client:
        found = client.best(name, pick=pick, aggregate=aggregate)
    if output is not None:
        _write(output, json.dumps(found, indent=2, ensure_ascii=False) + "\n", found)
    if script is not None:
        from steelyard.client import script_of

        _write(script, script_of(found), found)
    if (output or script) and pick is None:
        from steelyard.cli.best_table import rather

        for sentence in rather(found):
            note(sentence)
    if output is None and script is None:
        answer(found, as_json, lambda: _drawn(found))
    elif as_json:
        print_document(found)


def _write(file: str, text: str, found: dict[str, Any]) -> None:
    write_whole(Path(file), [text.encode()])
    note(f"Wrote {file}: trial {found['trial']} of {found['study']['name']}{'' if found['final'] else ', so far'}.")


def _drawn(found: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from steelyard.cli.best_table import AnswerTable, conclusion
    from steelyard.cli.tables import fields
    from steelyard.formatting import plain

    pairs = [
        ("study", f"{found['study']['name']} ({found['study']['state']})"),
        ("trial", f"{found['trial']}{'' if found['final'] else ' (so far)'}"),
        ("picked by", found["picked_by"] if found["picked_by"] not in ("objective", "confirmation") else ""),
        ("loss_weights", json.dumps(found["loss_weights"]) if "loss_weights" in found else ""),
        ("reproduced by", found["reproduced_by"]),
        ("note", found["note"]),
    ]
    said = Text("\n".join(map(plain, conclusion(found))))
    return Group(said, AnswerTable(found), fields(pairs))


def pareto(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Get the trials that no other beats in every optimised metric."""
    from steelyard.cli.tables import front_table
    from steelyard.formatting import figure

    with connect(url, name) as client:
        found = client.pareto(name)
    answer(found, as_json, lambda: front_table(found) if found["trials"] else f"No trial of {name} is complete and feasible yet.")
    if found["trials"] and not wants_document(as_json):
        note(f"Hypervolume {figure(found, 'hypervolume')}. Weights of the knee: steelyard best {name} --pick knee")


def sensitivity(name: StudyName, as_json: Json = False, url: Url = None) -> None:
    """Get how much each searched parameter matters, and which range of it is as good as the winner."""
    from steelyard.cli.sensitivity import drawn

    with connect(url, name) as client:
        found = client.sensitivity(name)
    answer(found, as_json, lambda: drawn(found))


def export(
    name: StudyName,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", metavar="FORMAT", help="jsonl or csv (default: by FILE).")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write there, whole or not at all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    url: Url = None,
) -> None:
    """Export all trials of a study."""
    wanted = _format(format_, output, as_json)
    with connect(url, name) as client:
        chunks = client.export(name, format=wanted)
        if changed := _changed_since(client, name):
            note(changed)
        if output is not None:
            write_whole(Path(output), chunks)
            note(f"Wrote {output}.")
            return
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _changed_since(client: Client, name: str) -> str | None:
    """Return a sentence where the workload's files are not those that the study trains with."""
    study = client.get(name)
    workload = (study["definition"].get("workload") or {}).get("name")
    now = next((each["version"] for each in client.workloads() if each["name"] == workload), None)
    before = study["workload_version"]
    if before is None or now is None or before == now:
        return None
    return f"The files of workload {workload} have changed since {name} was prepared (version {before[:8]}, now {now[:8]})."


def _format(format_: str | None, output: str | None, as_json: bool) -> str:
    if as_json:
        if format_ not in (None, "jsonl"):
            raise CommandFailed(f"--json is --format jsonl, not {format_}")
        return "jsonl"
    suffix = Path(output).suffix.lower().removeprefix(".") if output else ""
    wanted = format_ or (suffix if suffix in FORMATS else "jsonl")
    if wanted not in FORMATS:
        raise CommandFailed(f"--format is one of {', '.join(FORMATS)}, got {wanted!r}")
    return wanted


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that is complete or not there: what was there before stays until then. Raises OSError."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
