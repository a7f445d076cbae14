"""Read what `load_data()` returned into checked NumPy arrays, and say what is wrong with it in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import PreflightError, shown
from search.workloads.base import Data

Array = NDArray[Any]

INPUT = "input"
"""Key of a single unnamed input."""
TARGET = "target"
"""Key of a single unnamed target of a model with several outputs; with one output it bears that output's name."""
EVERY_OUTPUT = ""
"""Key of a sample weight that holds for all outputs."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """One split: arrays by name, each with `count` rows on its first axis. `single_input`: x came as one unnamed array."""

    count: int
    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    sample_weight: Mapping[str, Array]
    single_input: bool
    single_target: bool


@dataclass(frozen=True)
class PointSet:
    """Rows without targets, of which each step takes the next `batch_size`."""

    points: Array
    batch_size: int


@dataclass(frozen=True)
class Loaded:
    """A workload's data, checked."""

    splits: Mapping[str, Rows]
    extra: Mapping[str, PointSet] = field(default_factory=dict)

    def with_target_named(self, name: str) -> Loaded:
        """Return the same data with a single unnamed target called `name`."""
        if not self.train.single_target:
            return self
        named = {split: replace(rows, targets={name: rows.targets[TARGET]}) for split, rows in self.splits.items()}
        return replace(self, splits=named)

    def without_inputs(self, split: str) -> Loaded:
        """Return the same data without the inputs of one split."""
        return replace(self, splits={**self.splits, split: replace(self.splits[split], inputs={})})

    @property
    def train(self) -> Rows:
        return self.splits["train"]

    @property
    def validation(self) -> Rows:
        return self.splits["validation"]


def read(returned: Any) -> Loaded:
    """Return the data that a workload's `load_data()` returned, as checked arrays.

    Raises PreflightError for other forms than arrays, arrays of different length, no rows, object dtype, infinite labels, and
    inputs that are not finite. NaN in labels is a study's to judge: see a task's `missing`.
    """
    parts = _parts(returned)
    splits = {name: _split(name, parts[name]) for name in SPLITS if parts.get(name) is not None}
    for name, rows in splits.items():
        _same_form(splits["train"], rows, name)
    return Loaded(splits, {name: _points(name, given) for name, given in (parts.get("extra") or {}).items()})


def _parts(returned: Any) -> dict[str, Any]:
    if isinstance(returned, Mapping):
        parts = dict(returned)
    elif isinstance(returned, Data) or all(hasattr(returned, name) for name in ("train", "validation")):
        parts = {name: getattr(returned, name, None) for name in (*SPLITS, "extra")}
    else:
        raise _bad("", f"load_data() should return Data(train=(x, y), validation=(x, y)) or such a dict, got {_kind(returned)}")
    unknown = [name for name in parts if name not in (*SPLITS, "extra")]
    missing = [name for name in ("train", "validation") if parts.get(name) is None]
    if unknown or missing:
        wrong = f"lacks {missing[0]!r}" if missing else f"has the unknown part {unknown[0]!r}"
        raise _bad("", f"the data of load_data() {wrong}: expected train, validation, and if wanted test and extra")
    return parts


def _split(name: str, given: Any) -> Rows:
    if not isinstance(given, tuple | list):
        _refuse_other_forms(name, given)
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise _bad(name, f"{name} should be (x, y) or (x, y, sample_weight), got {_kind(given)}")
    x, y, weight = (*given, None)[:3]
    inputs, targets = _arrays(f"{name}.x", x, INPUT, text=True), _arrays(f"{name}.y", y, TARGET)
    weights = {} if weight is None else _arrays(f"{name}.sample_weight", weight, EVERY_OUTPUT)
    labels = _checked(f"{name}.y", y, targets)
    others = _checked(f"{name}.x", x, inputs) | _checked(f"{name}.sample_weight", weight, weights)
    count = _same_length(name, others | labels)
    for place, array in (others | labels).items():
        _finite(place, array, labels=place in labels)
    for place, array in _checked(f"{name}.sample_weight", weight, weights).items():
        if (array < 0).any():
            raise _bad(place, f"{place} has negative numbers")
    return Rows(count, inputs, targets, weights, not isinstance(x, Mapping), not isinstance(y, Mapping))


def _arrays(place: str, given: Any, single: str, text: bool = False) -> dict[str, Array]:
    if isinstance(given, Mapping):
        if not given:
            raise _bad(place, f"{place} is an empty dict")
        return {str(key): _array(f"{place}[{key!r}]", value, text) for key, value in given.items()}
    if isinstance(given, tuple) or (isinstance(given, list) and any(hasattr(item, "shape") for item in given)):
        raise _bad(
            place, f"{place} should be an array or a dict of arrays by name, got {_kind(given)}: order alone mixes outputs up"
        )
    return {single: _array(place, given, text)}


def as_text(array: Array) -> Array | None:
    """Return an array of text as UTF-8 of dtype S, as a model with text inputs takes it; None where it holds anything else."""
    if array.dtype.kind == "O" and array.size and all(isinstance(each, str | bytes) for each in array.flat):
        encoded = [each.encode() if isinstance(each, str) else each for each in array.flat]
        return np.array(encoded, np.bytes_).reshape(array.shape)
    if array.dtype.kind == "U":
        return np.char.encode(array, "utf-8")
    return array if array.dtype.kind == "S" else None


def _array(place: str, given: Any, text: bool = False) -> Array:
    if isinstance(given, Mapping):
        nested = f"{place} is a dict: inputs, outputs and targets are one level of names, so flatten it"
        names = [f"{place.rpartition('[')[2].strip(']').strip(chr(39))}_{key}" for key in list(given)[:3]]
        raise _bad(place, f"{nested} ({', '.join(map(repr, names))}) in load_data() and build_model()")
    _refuse_other_forms(place, given)
    try:
        array = np.asarray(given)
    except (ValueError, TypeError):
        raise _bad(place, f"{place} cannot be made an array: its rows differ in length") from None
    if text and (encoded := as_text(array)) is not None:
        return encoded
    if array.dtype.kind not in "biuf":
        hint = " (encode text as numbers in load_data())" if array.dtype.kind in "USO" else ""
        raise _bad(place, f"{place} should be an array of numbers, got dtype {array.dtype}{hint}")
    if array.ndim == 0:
        raise _bad(place, f"{place} should have one row an example, got a single number")
    return array


def _refuse_other_forms(place: str, given: Any) -> None:
    kinds = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(given).__mro__}
    streams = ("Dataset", "PyDataset", "Sequence", "DataLoader", "Iterator")
    if any(kind.endswith(streams) and kind.split(".")[0] in ("tensorflow", "keras", "torch") for kind in kinds) or (
        hasattr(given, "__next__") or (callable(given) and not hasattr(given, "__array__"))
    ):
        raise _bad(place, f"{place} should be arrays, got {_kind(given)}: streams of batches are not yet supported")


def _checked(place: str, given: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays by what they are called in an error: `train.y['digit']`, or `train.y` where they have no names."""
    return {f"{place}[{key!r}]" if isinstance(given, Mapping) else place: array for key, array in arrays.items()}


def _same_length(name: str, places: Mapping[str, Array]) -> int:
    lengths = {place: len(array) for place, array in places.items()}
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{place} has {length}" for place, length in lengths.items())
        raise _bad(name, f"arrays of one split should have the same number of rows: {rows}")
    count = next(iter(lengths.values()))
    if count == 0:
        raise _bad(name, f"{name} has no rows")
    return count


def _finite(place: str, array: Array, *, labels: bool) -> None:
    good = np.ones(len(array), bool) if array.dtype.kind != "f" else ~np.isinf(array) if labels else np.isfinite(array)
    if good.all():
        return
    rows = np.flatnonzero(~good.reshape(len(array), -1).all(axis=1))
    kind = "NaN" if np.isnan(array[rows[0]]).any() and not labels else "an infinite value"
    raise _bad(place, f"{place} has {kind} in {len(rows)} of {len(array)} rows, first in row {rows[0]}")


def _same_form(train: Rows, rows: Rows, name: str) -> None:
    """Check that a split has the names and shapes that the training rows have."""
    for part in ("inputs", "targets"):
        expected = {key: array.shape[1:] for key, array in getattr(train, part).items()}
        got = {key: array.shape[1:] for key, array in getattr(rows, part).items()}
        if expected != got:
            raise _bad(name, f"{name} and train differ in their {part}: {name} has {_shapes(got)}, train {_shapes(expected)}")


def _points(name: str, given: Any) -> PointSet:
    points, batch_size = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    place = f"extra[{name!r}]"
    array = _array(place, points)
    if len(array) == 0:
        raise _bad(place, f"{place} has no rows")
    _finite(place, array, labels=False)
    if batch_size is not None and not (isinstance(batch_size, int) and batch_size > 0):
        raise _bad(place, f"{place} should be (points, batch_size) with a batch_size of 1 or more, got {shown(batch_size)}")
    return PointSet(array, min(batch_size or len(array), len(array)))


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{key} {[None, *shape]}".replace("None", "rows") for key, shape in shapes.items())


def _kind(value: Any) -> str:
    kind = type(value)
    length = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {kind.__module__.split('.')[0]}.{kind.__qualname__}{length}".replace("a builtins.", "a ")


def _bad(place: str, message: str, code: str = "bad_data") -> PreflightError:
    return PreflightError(code, message, f"load_data: {place}" if place else "load_data")
