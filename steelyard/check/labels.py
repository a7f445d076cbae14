"""What the labels of each split are: classes with their counts, or numbers with their range; and what looks wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from search.names import listed

MOST_CLASSES = 1000
"""Of a target with more different values, no classes are counted."""

Labels = Mapping[str, Any]
"""`kind` (classes, one_hot, yes_no or numbers), `rows`, `missing` (rows of weight 0), `nan` (values), and what the kind has."""


def labels_of(target: Any, weight: Any = None) -> dict[str, Any]:
    """Describe one target [rows, ...] of one split. weight: its row weights, None where it has none."""
    array = np.asarray(target)
    integers = array.dtype.kind in "biu"
    values = array.ravel() if integers else array.astype("float64").ravel()
    known = values if integers else values[np.isfinite(values)]
    missing = 0 if weight is None else int((np.asarray(weight).reshape(len(array), -1) == 0).all(axis=1).sum())
    found: dict[str, Any] = {"rows": len(array), "missing": missing, "nan": 0 if integers else int(np.isnan(values).sum())}
    columns = array.shape[-1] if array.ndim > 1 else 1
    binary = columns > 1 and known.size > 0 and bool(((known == 0) | (known == 1)).all())
    one_hot = binary and known.size == values.size and bool((array.sum(axis=-1) == 1).all())
    if one_hot or (binary and array.ndim == 2):  # of a mask [rows, height, width], the last axis is no list of classes
        ones = np.count_nonzero(array.reshape(-1, columns) == 1, axis=0)
        counts = {str(column): int(count) for column, count in enumerate(ones)}
        return {"kind": "one_hot" if one_hot else "yes_no", **found, "counts": counts}
    whole = known.size > 0 and (integers or bool((known == np.round(known)).all()))
    classes, counted = np.unique(known, return_counts=True) if whole else (known[:0], known[:0])
    if whole and (integers or len(classes) <= 2) and len(classes) <= MOST_CLASSES:
        counts = {str(int(value)): int(count) for value, count in zip(classes, counted, strict=True)}
        return {"kind": "classes", **found, "counts": counts}
    spread = {"min": known.min(), "mean": known.mean(), "std": known.std(), "max": known.max()} if known.size else {}
    return {"kind": "numbers", **found, **{name: float(value) for name, value in spread.items()}}


def cautions(labels: Mapping[str, Mapping[str, Labels]]) -> Iterator[str]:
    """Yield what looks wrong, of labels by split and target."""
    for name, train in labels["train"].items():
        if train["kind"] == "numbers":
            if train.get("std") == 0:
                yield f"target {name!r} is the same number in every training row"
            continue
        present = {value for value, count in train["counts"].items() if count}
        if len(present) == 1:
            yield f"target {name!r} has one class alone in train ({listed(present)})"
        for split in (split for split in labels if split != "train"):
            others = {value for value, count in labels[split][name].get("counts", {}).items() if count}
            if unseen := others - present:
                yield f"target {name!r}: {split} has {_classes(unseen)} that train lacks"
            if lacking := present - others:
                yield f"target {name!r}: {split} has no row of {_classes(lacking)}"


def _classes(values: set[str]) -> str:
    return f"class{'es' if len(values) > 1 else ''} {', '.join(sorted(values, key=float)[:8])}{', ...' if len(values) > 8 else ''}"
