"""The command that looks at a workload before anything is submitted: workload check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.options import Json
from steelyard.cli.output import answer, note, print_document, wants_document
from steelyard.cli.workload_files import existing
from steelyard.formatting import number, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

PANEL = "Studies"

group = typer.Typer(help="Look at a workload before it is submitted.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.add_typer(group, name="workload", rich_help_panel=PANEL)


@group.callback()
def _group() -> None:
    """Look at a workload before it is submitted."""


@group.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE[:ATTRIBUTE]", help="The workload, such as ads.py or ads.py:Ads.")],
    study: Annotated[
        str | None, typer.Option("--study", metavar="FILE", help="A study definition to check it with, in place of a guessed one.")
    ] = None,
    options: Annotated[str, typer.Option("--options", metavar="JSON", help="The workload's options.")] = "{}",
    train: Annotated[bool, typer.Option("--train/--no-train", help="Train two epochs by fit and by the engine.")] = True,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the study there.")] = None,
    as_json: Json = False,
) -> None:
    """Check a workload in a Python file: data, labels, model, how it would be trained, and how much faster than by fit."""
    from search.workloads.sources import is_file

    if not is_file(file):
        raise CommandFailed(f"FILE is a Python file such as ads.py or ads.py:Ads, got {file!r}")
    given, definition = _json("--options", options), None if study is None else _json(study, Path(study).read_text("utf-8"))
    document = _examined(existing(file), given, definition, train, as_json)
    if output is not None:
        with Path(output).open("x", encoding="utf-8") as opened:
            opened.write(json.dumps(document["study"], indent=2, ensure_ascii=False) + "\n")
        note(f"Wrote {output}.")
    answer(document, as_json, lambda: _drawn(document))


def _json(where: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"{where} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise CommandFailed(f"{where} should be a JSON object")
    return found


def _examined(
    place: str, options: Mapping[str, Any], study: Mapping[str, Any] | None, train: bool, as_json: bool
) -> dict[str, Any]:
    from search.errors import InvalidDefinition, PreflightError
    from search.training.child.runner import prepare_environment, quiet_stderr

    prepare_environment()
    try:
        with quiet_stderr():
            from steelyard.check.examine import examined
        return examined(place, options, study, train=train)
    except PreflightError as refused:
        reason = refused.reason
        if wants_document(as_json):
            print_document({"error": {"code": reason.code, "message": reason.message, "at": reason.at}})
        raise CommandFailed(f"{reason.at}: {reason.message}" if reason.at else reason.message) from None
    except InvalidDefinition as refused:
        faults = "\n".join(f"  {fault}" for fault in refused.faults)
        raise CommandFailed(f"the study does not fit the workload:\n{faults}") from None


def _drawn(document: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group

    from steelyard.cli.tables import fields

    files, memory, engine = document["workload"]["files"], document["memory"], document["engine"]
    pairs = [
        ("workload", f"{document['workload']['name']} (of {', '.join(files)})"),
        ("rows", ", ".join(f"{split} {count}" for split, count in document["rows"].items())),
        ("weights", f"{document['trainable_parameters']} trainable of {document['parameters']}"),
        ("memory", f"data {_size(memory['data_bytes'])}, {_size(memory['setting_bytes'])} a setting"),
        ("trained", f"{engine['name']}, {engine['settings']} settings at once: {engine['why']}"),
        *(("warning", warning) for warning in document["warnings"]),
    ]
    parts: list[RenderableType] = [_tensors(document), "", _labels(document), "", fields(pairs), ""]
    if document["comparison"]:
        parts += [_terms(document["comparison"]), plain(_sentence(document["comparison"]))]
    parts.append("A study to start from: --output study.json writes it, --json shows it.")
    return Group(*parts)


def _tensors(document: Mapping[str, Any]) -> RenderableType:
    from steelyard.cli.tables import shape, table_of

    table = table_of("tensor", "kind", "shape", "dtype")
    for kind in ("inputs", "outputs", "targets"):
        for name, tensor in document[kind].items():
            table.add_row(plain(name), kind.removesuffix("s"), shape(tensor), tensor["dtype"])
    return table


def _labels(document: Mapping[str, Any]) -> RenderableType:
    from steelyard.cli.tables import table_of

    table = table_of("labels", "split", "rows", "missing", "nan", "what they are", right=("rows", "missing", "nan"))
    for split, targets in document["labels"].items():
        for name, found in targets.items():
            counts = (str(found[key]) for key in ("rows", "missing", "nan"))
            table.add_row(plain(name), split, *counts, plain(", ".join(_what(found))))
    return table


MOST_COUNTS = 10


def _what(found: Mapping[str, Any]) -> Iterator[str]:
    if "counts" in found:
        yield f"{len(found['counts'])} {'classes' if found['kind'] != 'yes_no' else 'columns'}"
        yield from (f"{value}: {count}" for value, count in list(found["counts"].items())[:MOST_COUNTS])
        if len(found["counts"]) > MOST_COUNTS:
            yield "..."
    elif "mean" in found:
        yield f"{number(found['min'])} to {number(found['max'])}"
        yield f"mean {number(found['mean'])}, std {number(found['std'])}"


def _terms(comparison: Mapping[str, Any]) -> RenderableType:
    from steelyard.cli.tables import table_of

    title = f"after {comparison['epochs']} epochs"
    table = table_of(title, "fit", "engine", "difference", right=("fit", "engine", "difference"))
    for path, found in comparison["terms"].items():
        table.add_row(plain(path), *(number(found[key]) for key in ("fit", "engine", "difference")))
    return table


def _sentence(comparison: Mapping[str, Any]) -> str:
    whole = comparison["training"]
    return (
        f"A training of {whole['epochs']} epochs takes about {number(whole['fit_seconds'])} s by fit and "
        f"{number(whole['engine_seconds'])} s by the engine ({comparison['settings']} at once, {whole['trainings']} trainings), "
        f"on all cores of this process: expect it {comparison['speed_up']:.1f} times as fast."
    )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
