"""Bring what `fit` takes into arrays by name: x by input, y by output, and one row weight an output.

`missing` and `class_weight` become fields of the study's tasks, `sample_weight` its row weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.names import listed
from search.workloads.data import EVERY_OUTPUT, as_text
from steelyard.door.refusals import refused

Array = NDArray[Any]

INPUT = "input"
UNUSED = "no_target"
"""Key of a target that nothing reads, where a study has none."""

FEW_CLASSES = 200

RAGGED = "its rows have different lengths: pad them to one length before, and mask the padding in the model"


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
        known = {str(key): input_array(value, f"{at}[{key!r}]") for key, value in x.items()}
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
            return {name: input_array(value, f"{at}[{i}]") for i, (name, value) in enumerate(zip(names.inputs, x, strict=True))}
        if names.inputs is None and len(x) == 1:
            return {INPUT: input_array(x[0], f"{at}[0]")}
        count = len(names.inputs or names.given_inputs) or "unnamed"
        raise refused(at, f"x is a list of {len(x)}, and the model has {count} inputs: pass a dict by name")
    if names.inputs is not None and len(names.inputs) > 1:
        raise refused(at, f"the model has the inputs {listed(names.inputs)}: pass a dict by name, got one array")
    return {names.inputs[0] if names.inputs else INPUT: input_array(x, at)}


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
    found = _with_rows(given, at)
    if as_text(found) is not None:
        some = ", ".join([*dict.fromkeys(str(each) for each in found.ravel()[:1000])][:3])
        raise refused(
            at, f"labels and weights are numbers, got text ({some}): encode it before, np.unique(labels, return_inverse=True)[1]"
        )
    return _numbers(found, at)


def input_array(given: Any, at: str) -> Array:
    """Return something as an array of numbers or of text (UTF-8) with rows. Raises ValidationError for anything else."""
    found = _with_rows(given, at)
    text = as_text(found)
    return _numbers(found, at) if text is None else text


def _with_rows(given: Any, at: str) -> Array:
    if isinstance(given, Mapping):
        raise refused(at, "it is a dict: inputs and outputs are one level of names, so flatten it here and in the model")
    if hasattr(given, "toarray"):
        raise refused(at, "it is a sparse matrix: pass its toarray()")
    if hasattr(given, "to_numpy"):
        given = given.to_numpy()
    try:
        found = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise refused(at, RAGGED if "inhomogeneous" in str(error) else f"it cannot be made an array: {error}") from None
    if found.ndim == 0 or len(found) == 0:
        kind = type(given).__name__ if found.dtype.kind == "O" else "a single number"
        raise refused(at, f"it should have one row an example, got {kind if found.ndim == 0 else 'no rows'}")
    return found


def _numbers(found: Array, at: str) -> Array:
    if found.dtype.kind == "O":  # a frame of several types, or numbers with gaps
        found = np.where([_is_gap(each) for each in found.flat], np.nan, found.ravel()).reshape(found.shape)
        other = next(([each] for each in found.flat if not isinstance(each, int | float | np.number | bool)), None)
        if other is None:
            return found.astype(np.float64)
        if isinstance(other[0], list | tuple | np.ndarray):
            raise refused(at, RAGGED)
        raise refused(at, f"it should be an array of numbers, got dtype object with a {type(other[0]).__name__} ({other[0]})")
    if found.dtype.kind not in "biuf":
        raise refused(at, f"it should be an array of numbers, got dtype {found.dtype}")
    return found


def _is_gap(thing: Any) -> bool:
    """Return whether something stands for no number in an array of objects: None, or what pandas has for it."""
    return thing is None or type(thing).__name__ == "NAType"


# Labels that are missing, and classes that count more


def missing_marks(missing: Any, rows: NamedRows, names: Names) -> dict[str, Any]:
    """Return what marks a missing label, "nan" or a number, by target. missing: for every target, or by output."""
    if missing is None:
        return {}
    marks = by_output(missing, names, "missing") if isinstance(missing, Mapping) else dict.fromkeys(rows.targets, missing)
    for key, mark in marks.items():
        if key not in rows.targets:
            raise refused("missing", f"y has no {key!r}, only {listed(rows.targets)}")
        if mark != "nan" and not (isinstance(mark, int | float | np.number) and not isinstance(mark, bool)):
            raise refused(f"missing[{key!r}]", f'"nan" or a number, got {mark!r}')
    return {key: "nan" if mark == "nan" or mark != mark else float(mark) for key, mark in marks.items()}


def require_labels(rows: NamedRows, marks: Mapping[str, Any], at: str = "") -> None:
    """Refuse labels that are NaN and were not called missing."""
    for key, target in rows.targets.items():
        if target.dtype.kind != "f" or marks.get(key) == "nan":
            continue
        gone = np.asarray(np.isnan(target).reshape(len(target), -1).any(axis=1))
        if gone.any():
            text = f"{at}y[{key!r}] has NaN in {int(gone.sum())} of {len(gone)} rows"
            raise refused("missing", f'{text}: pass missing={{{key!r}: "nan"}} where these have no label')


def labelled_rows(rows: NamedRows, key: str, mark: Any) -> Array:
    """Return which rows have a label of a target that counts: no part of it is missing, and it weighs something."""
    target, weight = rows.targets[key], rows.weights.get(key, rows.weights.get(EVERY_OUTPUT))
    gone = np.zeros(target.shape, bool) if mark is None else np.isnan(target) if mark == "nan" else target == mark
    there = np.asarray(~gone.reshape(len(target), -1).any(axis=1))
    return there if weight is None or weight.ndim != 1 else np.logical_and(there, weight > 0)


def weights_of_classes(class_weight: Any, rows: NamedRows, names: Names) -> dict[str, Any]:
    """Return the weights of classes by target, as a task has them: "balanced", or a dict by class or by output of either."""
    if class_weight is None:
        return {}
    known = {*names.outputs, *names.compile_outputs}
    per_output = isinstance(class_weight, Mapping) and any(key in known for key in class_weight)
    if not per_output and len(names.outputs) > 1:
        raise refused("class_weight", f'the model has several outputs: {{output: {{class: weight}} or "balanced"}} with '
                                      f"{listed(names.outputs)}")  # fmt: skip
    given = by_output(class_weight, names, "class_weight") if per_output else {names.outputs[0]: class_weight}
    for key, weights in given.items():
        if key not in rows.targets:
            raise refused("class_weight", f"y has no {key!r}, only {listed(rows.targets)}")
        if weights != "balanced" and not (isinstance(weights, Mapping) and weights):
            raise refused(f"class_weight[{key!r}]", f'a dict by class, or "balanced", got {weights!r}')
    return {key: weights if weights == "balanced" else _by_class(weights, key) for key, weights in given.items()}


def _by_class(weights: Mapping[Any, Any], key: str) -> dict[str, float]:
    try:
        return {str(int(each)): float(weight) for each, weight in weights.items()}
    except (TypeError, ValueError):
        raise refused(f"class_weight[{key!r}]", f"{{class: weight}} in numbers, got {dict(weights)!r}") from None


# Splits


def split_off(
    rows: NamedRows, share: float, at: str, said: bool, marks: Mapping[str, Any] = MappingProxyType({})
) -> tuple[NamedRows, NamedRows]:
    """Return the rows without their last share, and that share, as Keras's `validation_split` takes it.

    said: the user asked for the share. marks: see `missing_marks`. Rows that are sorted by a label are refused: the last ones hold
    other classes.
    """
    if not (isinstance(share, int | float) and 0 < share < 1):
        raise refused(at, f"a share between 0 and 1, got {share!r}")
    begins = int(np.floor(rows.count * (1 - share)))
    if begins == 0 or begins == rows.count:
        raise refused(at, f"a share of {share:g} of {rows.count} rows leaves a part without rows")
    first, last = rows.part(slice(0, begins)), rows.part(slice(begins, None))
    for key, target in rows.targets.items():
        if sorted_away(target, begins, labelled_rows(rows, key, marks.get(key))):
            default = "" if said else " (the default)"
            text = f"the rows are sorted by y[{key!r}]: the last {share:.0%}{default} hold classes that the others lack"
            raise refused(at, f"{text.replace('%', ' %')}. Shuffle x and y together before, or pass validation_data")
    return first, last


def sorted_away(target: Array, begins: int, labelled: Array) -> bool:
    """Return whether the labels from `begins` on have classes that those before lack, since the rows are sorted by them."""
    classes = _class_ids(target[labelled])
    if classes is None:
        return False
    before = int(labelled[:begins].sum())
    first, last = classes[:before], classes[before:]
    known, new = np.unique(first), np.unique(last)
    if len(known) == 0 or len(new) == 0 or len(np.union1d(known, new)) > FEW_CLASSES or len(np.union1d(known, new)) == 1:
        return False
    steps = np.diff(classes)
    is_sorted = bool((steps >= 0).all() or (steps <= 0).all())
    return is_sorted or not np.intersect1d(known, new).size


def _class_ids(target: Array) -> Array | None:
    """Return each row's class: the number itself, or the place of the 1; None where they are no classes."""
    flat = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    if flat.ndim == 1 and (flat.dtype.kind in "biu" or (flat == np.round(flat)).all()):
        return flat.astype(np.int64)
    if flat.ndim == 2 and ((flat == 0) | (flat == 1)).all() and (flat.sum(axis=1) <= 1).all():
        return np.asarray(flat.argmax(axis=1))
    return None


def few(rows: NamedRows, count: int) -> NamedRows:
    """Return the first rows."""
    return rows.part(slice(0, count))


def megabytes(parts: Sequence[NamedRows]) -> float:
    """Return how much memory the rows take, in MB."""
    return (
        sum(each.nbytes for rows in parts for kind in (rows.inputs, rows.targets, rows.weights) for each in kind.values()) / 2**20
    )
