"""Bring what `fit` takes into arrays by name: x by input, y by output, and one row weight an output.

`missing`, `class_weight` and `sample_weight` all become row weights here, before anything is written: a label that is missing
weighs 0, so that removing labels and giving them weight 0 is the same study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.names import listed
from search.workloads.data import EVERY_OUTPUT
from steelyard.door.refusals import refused

Array = NDArray[Any]

INPUT = "input"
UNUSED = "no_target"
"""Key of a target that nothing reads, where a study has none."""

FEW_CLASSES = 200


@dataclass(frozen=True)
class NamedRows:
    """Rows of one split. inputs: by name, or under `input` where the model has one. weights: by output, "" for every one."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    weights: Mapping[str, Array] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, rows: slice) -> NamedRows:
        """Return some of the rows."""
        parts = ({name: array[rows] for name, array in each.items()} for each in (self.inputs, self.targets, self.weights))
        return NamedRows(*parts)


@dataclass(frozen=True)
class Names:
    """How a model's inputs and outputs are called: in the study, and by the model itself, in the order in which Keras flattens."""

    inputs: tuple[str, ...] | None
    given_inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compile_outputs: tuple[str, ...]


def named_inputs(x: Any, names: Names, at: str) -> dict[str, Array]:
    """Return x by name. Raises ValidationError where it does not fit the model's inputs."""
    if isinstance(x, Mapping):
        wanted = dict(zip(names.given_inputs, names.inputs or names.given_inputs, strict=True))
        known = {str(key): array(value, f"{at}[{key!r}]") for key, value in x.items()}
        if not wanted:  # a model that is no graph takes what it takes
            return known
        if names.inputs is None and len(known) == 1:
            return {INPUT: next(iter(known.values()))}
        lacking = [name for name in wanted if name not in known and wanted[name] not in known]
        if lacking:
            raise refused(at, f"the model has the inputs {listed(wanted)}, and x lacks {listed(lacking)}")
        return {wanted[name]: known[name] if name in known else known[wanted[name]] for name in wanted}
    if isinstance(x, tuple) or (isinstance(x, list) and any(hasattr(item, "shape") for item in x)):
        if names.inputs is not None and len(x) == len(names.inputs):
            return {name: array(value, f"{at}[{i}]") for i, (name, value) in enumerate(zip(names.inputs, x, strict=True))}
        if names.inputs is None and len(x) == 1:
            return {INPUT: array(x[0], f"{at}[0]")}
        count = len(names.inputs or names.given_inputs) or "unnamed"
        raise refused(at, f"x is a list of {len(x)}, and the model has {count} inputs: pass a dict by name")
    if names.inputs is not None and len(names.inputs) > 1:
        raise refused(at, f"the model has the inputs {listed(names.inputs)}: pass a dict by name, got one array")
    return {names.inputs[0] if names.inputs else INPUT: array(x, at)}


def by_output(given: Any, names: Names, at: str) -> dict[str, Any]:
    """Return y, or what `fit` takes in its form, by output of the study. A dict may hold other keys: they stay."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        renamed = dict(zip(names.compile_outputs, names.outputs, strict=True))
        return {renamed.get(str(key), str(key)): value for key, value in given.items()}
    if isinstance(given, tuple) or (isinstance(given, list) and any(hasattr(item, "shape") for item in given)):
        if len(given) != len(names.outputs):
            raise refused(
                at, f"the model has {len(names.outputs)} outputs ({listed(names.outputs)}), and the list has {len(given)}"
            )
        return dict(zip(names.outputs, given, strict=True))
    if len(names.outputs) == 1:
        return {names.outputs[0]: given}
    raise refused(at, f"the model has the outputs {listed(names.outputs)}: pass a dict by output, got one array")


def named_rows(x: Any, y: Any, sample_weight: Any, names: Names, at: str = "") -> NamedRows:
    """Return rows by name, all of one length. Raises ValidationError."""
    inputs = named_inputs(x, names, f"{at}x")
    targets = {key: array(value, f"{at}y[{key!r}]") for key, value in by_output(y, names, f"{at}y").items() if value is not None}
    weights: dict[str, Array] = {}
    if sample_weight is not None:
        place = f"{at}sample_weight"
        if isinstance(sample_weight, Mapping | tuple) or (isinstance(sample_weight, list) and hasattr(sample_weight[0], "shape")):
            given = by_output(sample_weight, names, place)
            weights = {key: array(value, f"{place}[{key!r}]") for key, value in given.items() if value is not None}
        else:
            weights = {EVERY_OUTPUT: array(sample_weight, place)}
    lengths = {f"{at}{kind}": len(each) for kind, part in (("x", inputs), ("y", targets), ("sample_weight", weights))
               for each in part.values()}  # fmt: skip
    if len({len(each) for part in (inputs, targets, weights) for each in part.values()}) > 1:
        counted = ", ".join(f"{place} has {length} rows" for place, length in lengths.items())
        raise refused(f"{at}y", f"x, y and sample_weight should have one row an example: {counted}")
    return NamedRows(inputs, targets, weights)


def array(given: Any, at: str) -> Array:
    """Return something as an array of numbers with rows. Raises ValidationError for text, objects and single numbers."""
    if hasattr(given, "to_numpy"):
        given = given.to_numpy()
    try:
        found = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise refused(at, f"it cannot be made an array: {error}") from None
    if found.dtype.kind not in "biuf":
        hint = " (encode text as numbers before)" if found.dtype.kind in "USO" else ""
        raise refused(at, f"it should be an array of numbers, got dtype {found.dtype}{hint}")
    if found.ndim == 0 or len(found) == 0:
        raise refused(at, "it should have one row an example, got " + ("a single number" if found.ndim == 0 else "no rows"))
    return found


# Labels that are missing, and classes that count more


def with_missing(rows: NamedRows, missing: Any, names: Names, at: str = "") -> NamedRows:
    """Return the rows with weight 0, and a label of 0, where a label is missing.

    missing: "nan" or a number, for every output or by output. Raises ValidationError for a row of which a part is missing.
    """
    if missing is None:
        return rows
    marks = by_output(missing, names, "missing") if isinstance(missing, Mapping) else dict.fromkeys(rows.targets, missing)
    for key, mark in marks.items():
        if key not in rows.targets:
            raise refused("missing", f"y has no {key!r}, only {listed(rows.targets)}")
        if mark != "nan" and not (isinstance(mark, int | float) and not isinstance(mark, bool)):
            raise refused(f"missing[{key!r}]", f'"nan" or a number, got {mark!r}')
        target = rows.targets[key]
        gone = np.isnan(target) if mark == "nan" or mark != mark else target == mark
        flat = gone.reshape(len(gone), -1)
        partly = flat.any(axis=1) & ~flat.all(axis=1)
        if partly.any():
            text = f"row {int(np.argmax(partly))} of {at}y[{key!r}] lacks a part of its labels, and a row weight is for a whole row"
            raise refused(f"missing[{key!r}]", f"{text}: give each label its own output, or a loss that leaves {mark} out")
        rows = _weighed(replace(rows, targets={**rows.targets, key: np.where(gone, 0, target).astype(target.dtype)}), key,
                        np.asarray(1.0 - flat.all(axis=1)))  # fmt: skip
    return rows


def require_labels(rows: NamedRows, at: str = "") -> None:
    """Refuse labels that are NaN and were not called missing."""
    for key, target in rows.targets.items():
        if target.dtype.kind != "f":
            continue
        gone = np.asarray(np.isnan(target).reshape(len(target), -1).any(axis=1))
        if gone.any():
            text = f"{at}y[{key!r}] has NaN in {int(gone.sum())} of {len(gone)} rows"
            raise refused("missing", f'{text}: pass missing={{{key!r}: "nan"}} where these have no label')


def with_classes(rows: NamedRows, class_weight: Any, names: Names) -> NamedRows:
    """Return training rows with the weights of their classes: a dict by class, "balanced", or either by output."""
    if class_weight is None:
        return rows
    known = {*names.outputs, *names.compile_outputs}
    per_output = isinstance(class_weight, Mapping) and any(key in known for key in class_weight)
    if not per_output and len(names.outputs) > 1:
        raise refused("class_weight", f'the model has several outputs: {{output: {{class: weight}} or "balanced"}} with '
                                      f"{listed(names.outputs)}")  # fmt: skip
    given = by_output(class_weight, names, "class_weight") if per_output else {names.outputs[0]: class_weight}
    for key, weights in given.items():
        if key not in rows.targets:
            raise refused("class_weight", f"y has no {key!r}, only {listed(rows.targets)}")
        classes = class_ids(rows.targets[key], key)
        before = rows.weights.get(key, rows.weights.get(EVERY_OUTPUT, np.ones(rows.count)))
        rows = _weighed(rows, key, _class_weights(classes, weights, before > 0, key))
    return rows


def class_ids(target: Array, key: str) -> Array:
    """Return each row's class: the number itself, or the place of the 1. Raises ValidationError for anything else."""
    flat = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    if flat.ndim == 1 and (flat.dtype.kind in "biu" or (flat == np.round(flat)).all()):
        return flat.astype(np.int64)
    if flat.ndim == 2 and ((flat == 0) | (flat == 1)).all() and (flat.sum(axis=1) <= 1).all():
        return np.asarray(flat.argmax(axis=1))
    raise refused("class_weight", f"y[{key!r}] holds no classes: whole numbers [rows] or one-hot rows [rows, classes] are needed")


def _class_weights(classes: Array, given: Any, labelled: Array, key: str) -> Array:
    if given == "balanced":
        found, counts = np.unique(classes[labelled], return_counts=True)
        table = {int(each): labelled.sum() / (len(found) * count) for each, count in zip(found, counts, strict=True)}
    elif isinstance(given, Mapping):
        table = {int(each): float(weight) for each, weight in given.items()}
    else:
        raise refused(f"class_weight[{key!r}]", f'a dict by class, or "balanced", got {given!r}')
    weights = np.ones(len(classes))
    for each, weight in table.items():
        weights[classes == each] = weight
    return weights


def _weighed(rows: NamedRows, key: str, factor: Array) -> NamedRows:
    before = rows.weights.get(key, rows.weights.get(EVERY_OUTPUT, np.ones(rows.count)))
    return replace(rows, weights={**rows.weights, key: np.asarray(before * factor, np.float32)})


# Splits


def split_off(rows: NamedRows, share: float, at: str, said: bool) -> tuple[NamedRows, NamedRows]:
    """Return the rows without their last share, and that share, as Keras's `validation_split` takes it.

    said: the user asked for the share. Rows that are sorted by a label are refused: the last ones hold other classes.
    """
    if not (isinstance(share, int | float) and 0 < share < 1):
        raise refused(at, f"a share between 0 and 1, got {share!r}")
    begins = int(np.floor(rows.count * (1 - share)))
    if begins == 0 or begins == rows.count:
        raise refused(at, f"a share of {share:g} of {rows.count} rows leaves a part without rows")
    first, last = rows.part(slice(0, begins)), rows.part(slice(begins, None))
    for key, target in rows.targets.items():
        weight = rows.weights.get(key, rows.weights.get(EVERY_OUTPUT))
        if sorted_away(target, begins, weight):
            default = "" if said else " (the default)"
            text = f"the rows are sorted by y[{key!r}]: the last {share:.0%}{default} hold classes that the others lack"
            raise refused(at, f"{text.replace('%', ' %')}. Shuffle x and y together before, or pass validation_data")
    return first, last


def sorted_away(target: Array, begins: int, weight: Array | None) -> bool:
    """Return whether the labels from `begins` on have classes that those before lack, since the rows are sorted by them."""
    try:
        classes = class_ids(target, "")
    except ValueError:
        return False
    labelled = np.ones(len(classes), bool) if weight is None or weight.ndim != 1 else weight > 0
    first, last = classes[:begins][labelled[:begins]], classes[begins:][labelled[begins:]]
    known, new = np.unique(first), np.unique(last)
    if len(known) == 0 or len(new) == 0 or len(np.union1d(known, new)) > FEW_CLASSES or len(np.union1d(known, new)) == 1:
        return False
    steps = np.diff(classes[labelled])
    is_sorted = bool((steps >= 0).all() or (steps <= 0).all())
    return is_sorted or not np.intersect1d(known, new).size


def few(rows: NamedRows, count: int) -> NamedRows:
    """Return the first rows."""
    return rows.part(slice(0, count))


def megabytes(parts: Sequence[NamedRows]) -> float:
    """Return how much memory the rows take, in MB."""
    return (
        sum(each.nbytes for rows in parts for kind in (rows.inputs, rows.targets, rows.weights) for each in kind.values()) / 2**20
    )
