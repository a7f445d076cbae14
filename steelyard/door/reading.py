"""Read what a call trains on: arrays, datasets or functions that return them, and its rows by split."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from steelyard.door import habits
from steelyard.door.refusals import refused
from steelyard.door.rows import UNUSED, NamedRows, Names, missing_marks, named_rows, require_labels, split_off
from steelyard.door.streams import EachPass, ReadStream, is_stream, read_stream

DEFAULT_SHARE = 0.2
BATCH_SIZE = 32

Arguments = Mapping[str, Any]
"""The arguments of `search` by name."""


def read_rows(arguments: Arguments) -> tuple[dict[str, Any], int, list[str]]:
    """Return x, y and sample_weight as arrays, the batch size, and what should be said.

    Beside the rows: `shuffle`, whether each epoch has an order of its own, and `batches`, whether they came as a dataset.
    """
    x, y, weight = arguments["x"], arguments["y"], arguments["sample_weight"]
    x = opened(x, "x")
    if x is not arguments["x"] and isinstance(x, tuple) and y is None:
        x, y, weight = (*x, None, None)[:3]
    if x is None:
        raise refused("x", "the rows to train on: arrays, a dict of arrays, a dataset, or a function that returns one")
    size = arguments["batch_size"]
    if not is_stream(x):
        return {"x": x, "y": y, "sample_weight": weight, "shuffle": arguments["shuffle"], "batches": False}, size or BATCH_SIZE, []
    for name, value in (("y", y), ("sample_weight", weight)):
        if value is not None:
            raise refused(name, "a dataset has its own: leave it out, as in fit")
    found = read_stream(x, "x", arguments["steps_per_epoch"])
    held_out = _held_out(arguments)
    if held_out and found.passes > 1:
        text = f"each row comes {found.passes} times in it, so the {held_out} rows would be copies of rows to train on"
        raise refused("x", f"{text}: pass the rows once (without repeat()), or pass {held_out}_data")
    rows, shuffle = {"x": found.x, "y": found.y, "sample_weight": found.sample_weight}, arguments["shuffle"] or found.shuffled
    return {**rows, "shuffle": shuffle, "batches": True}, size or found.batch_size, list(_of_stream(found, arguments))


def _held_out(arguments: Arguments) -> str:
    """Return which split is taken off the rows to train on: one for which the call gives no rows; "" where there is none."""
    if arguments["test_data"] is None and arguments["test_split"]:
        return "test"
    return "validation" if arguments["validation_data"] is None else ""


def _of_stream(found: ReadStream, arguments: Arguments) -> Iterator[str]:
    """Yield what should be said of a dataset that was read."""
    yield f"read the dataset once: {found.megabytes:.1f} MB in batches of {found.batch_size}"
    if arguments["batch_size"] is None and not found.even:
        yield f"the dataset's batches differ in size: trained in batches of {found.batch_size}, as the first is"
    if (held_out := _held_out(arguments)) and found.copies > 1 and not found.shuffled:
        yield f"each row comes {found.copies} times or more in the dataset: {held_out} rows are copies of rows to train on"
    if found.shuffled and not arguments["shuffle"]:
        yield "the dataset shuffles by itself, so shuffle=False changes nothing, as in fit"
    if arguments["shuffle"] and not found.shuffled:
        yield "each epoch takes the dataset's rows in a new order; shuffle=False keeps the dataset's own"


def opened(given: Any, at: str) -> Any:
    """Return what a function that loads rows returns, or what calls it anew in each pass; anything else as it is."""
    if not callable(given) or is_stream_object(given) or hasattr(given, "__array__"):
        return given
    try:
        found = given()
    except Exception as error:
        from search.workloads.blame import one_line, place_of

        raise refused(place_of(error) or at, f"the function failed: {one_line(error)}") from error
    return EachPass(given) if hasattr(found, "__next__") else found


def is_stream_object(x: Any) -> bool:
    """Return whether something callable is a dataset or loader rather than a function that returns rows."""
    return not inspect.isfunction(x) and not inspect.ismethod(x) and is_stream(x)


def _split_given(given: Any, names: Names, arguments: Arguments, at: str) -> NamedRows:
    if is_stream(given):
        found = read_stream(given, at, arguments["validation_steps"] if at == "validation_data" else None)
        x, y, weight = found.x, found.y, found.sample_weight
    elif isinstance(given, tuple | list) and len(given) in (2, 3):
        x, y, weight = (*given, None)[:3]
    else:
        raise refused(at, f"(x, y) or (x, y, sample_weight), or a dataset, got a {type(given).__name__}")
    rows = named_rows(x, y, weight, names, f"{at} ")
    return _with_target(rows, missing_marks(arguments["missing"], rows, names), f"{at} ")


def split_rows(
    read: Mapping[str, Any], arguments: Arguments, names: Names, batch_size: int
) -> tuple[dict[str, NamedRows], list[str]]:
    """Return the rows by split, and what should be said of how they were split. read: what `read_rows` returned."""
    rows = named_rows(read["x"], read["y"], read["sample_weight"], names)
    marks = missing_marks(arguments["missing"], rows, names)
    rows = _with_target(rows, marks)
    validation = opened(arguments["validation_data"], "validation_data")
    found: dict[str, NamedRows] = {}
    notes = []
    if arguments["test_data"] is not None:
        found["test"] = _split_given(opened(arguments["test_data"], "test_data"), names, arguments, "test_data")
    elif arguments["test_split"]:
        rows, found["test"] = split_off(rows, arguments["test_split"], "test_split", True, marks)
    if arguments["validation_data"] is not None:
        if arguments["validation_split"]:
            raise refused("validation_split", "validation_data is given too; one of them")
        found["validation"] = _split_given(validation, names, arguments, "validation_data")
    else:
        share = arguments["validation_split"]
        rows, found["validation"] = split_off(
            rows, DEFAULT_SHARE if share is None else share, "validation_split", share is not None, marks
        )
        if share is None:
            notes.append(f"validation: the last {found['validation'].count} rows (20 %)")
    if "test" not in found:
        notes.append("no test_data: the validation rows choose the weights and judge them too, so the gain looks larger than it is")
    found = {"train": rows, **found}
    _same_columns(found)
    if not read["batches"]:
        habits.require_all_steps("steps_per_epoch", arguments["steps_per_epoch"], rows.count, batch_size)
    if not is_stream(validation):
        habits.require_all_steps("validation_steps", arguments["validation_steps"], found["validation"].count, batch_size)
    return found, notes


def _with_target(rows: NamedRows, marks: Mapping[str, Any], at: str = "") -> NamedRows:
    """Return the rows with a target that nothing reads where y is None: a study's rows have one."""
    require_labels(rows, marks, at)
    return rows if rows.targets else replace(rows, targets={UNUSED: np.zeros(rows.count, np.float32)})


def _same_columns(splits: Mapping[str, NamedRows]) -> None:
    train = splits["train"]
    for name, rows in splits.items():
        for kind in ("inputs", "targets"):
            expected = {key: each.shape[1:] for key, each in getattr(train, kind).items()}
            got = {key: each.shape[1:] for key, each in getattr(rows, kind).items()}
            if expected != got:
                raise refused(f"{name} rows", f"their {kind} have the shapes {got}, those to train on {expected}")


def point_sets(given: Any) -> dict[str, tuple[Any, int | None]]:
    """Return the arrays of `extra`, each with its batch size; None for all points."""
    found = {}
    for name, points in (given or {}).items():
        array, size = points if isinstance(points, tuple) and len(points) == 2 and isinstance(points[1], int) else (points, None)
        found[str(name)] = (np.asarray(array), size)
    return found
