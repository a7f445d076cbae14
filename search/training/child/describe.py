"""What a worker publishes of a workload, so that a study can be checked before any worker has it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from search.errors import PreflightError
from search.training.child.loading import load
from search.training.problem.keras_private import outputs_structure
from search.training.problem.workload import LoadedWorkload
from search.workloads import base, registry
from search.workloads.blame import located, one_line, place_of
from search.workloads.sources import module_place

Opener = Callable[[str, Mapping[str, Any]], LoadedWorkload]
"""Opens a workload by name with options."""


def described(name: str, opened: Opener) -> dict[str, Any]:
    """Return `{"name", "digest", "description"}` of a registered workload with default options.

    Raises PreflightError where it cannot be imported or opened. Of a workload whose options have no defaults, only its terms and
    the schema of its options are published.
    """
    source = load(name)
    try:
        return _described(name, source, opened)
    except PreflightError as refused:
        reason = refused.reason
        raise PreflightError(reason.code, reason.message, located(reason.at, source)) from refused


def _described(name: str, source: Any, opened: Opener) -> dict[str, Any]:
    needed = base.options_schema(source).get("required")
    description = description_of(name, source, None if needed else opened(name, {}))
    return {"name": name, "digest": digest_of(description), "description": description}


def description_of(name: str, source: Any, opened: LoadedWorkload | None) -> dict[str, Any]:
    """Return the description of a workload, as it was loaded and as it was opened; None: not, for want of options."""
    terms = {kind: sorted(getattr(source, kind, None) or {}) for kind in base.TERM_KINDS}
    description: dict[str, Any] = {**terms, "options": base.options_schema(source), "code": _code(name, source)}
    if opened is not None:
        with opened.settings.active():
            description |= _measured(opened)
            description["code"] |= _forms(opened)
    return description


def _measured(opened: LoadedWorkload) -> dict[str, Any]:
    rows, model = opened.rows("train"), opened.example.model
    return {
        "inputs": _specs(rows.inputs),
        "outputs": _specs(opened.outputs),
        "targets": _specs(rows.targets),
        "rows": {split: part.count for split, part in opened.loaded.splits.items()},
        "parameters": model.count_params(),
        "trainable_parameters": sum(int(variable.value.shape.num_elements()) for variable in model.trainable_variables),
    }


def _code(name: str, source: Any) -> dict[str, Any]:
    """Return where the workload is (`module:attribute`), and how it is made of what is there.

    `made`: `with_options` (a class that takes its Options), `without_options` (a class), `as_is`, or `bound` (a module or an
    instance whose functions may take Options).
    """
    has_options = getattr(source, "Options", None) is not None
    if inspect.isclass(source):
        made = "with_options" if has_options else "without_options"
    else:
        made = "bound" if has_options else "as_is"
    return {"place": module_place(registry.places()[name]), "made": made}


def _forms(opened: LoadedWorkload) -> dict[str, Any]:
    """Return what decides how a script trains it: whether rows have weights, whether there are point sets, and `plain`.

    `weighted`: the outputs and targets that have row weights, "" for all. `rank_one`: outputs that are [rows] as they come.
    `plain`: outputs and targets are dicts with the same keys, rows have no weights, and no metric hides one of Keras's: `fit` and
    `compile` take it all as it is.
    """
    splits = opened.loaded.splits.values()
    row_weights = any(rows.sample_weight for rows in splits)
    structure = outputs_structure(opened.example.model)  # a subclassed model returns a dict, else it is refused
    named = (structure is None or isinstance(structure, Mapping)) and not opened.loaded.train.single_target
    plain = named and not row_weights and not opened.workload.metrics and set(opened.outputs) == set(opened.loaded.train.targets)
    plain = plain and not opened.example.rank_one
    weighted = sorted({name for rows in splits for name in rows.sample_weight})
    known = {"plain": plain, "row_weights": row_weights, "points": bool(opened.loaded.extra)}
    return {**known, "weighted": weighted, "rank_one": sorted(opened.example.rank_one)}


def _specs(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"shape": [None, *(int(size) for size in tensor.shape[1:])], "dtype": keras.backend.standardize_dtype(tensor.dtype)}
        for name, tensor in tensors.items()
    }


def digest_of(description: Mapping[str, Any]) -> str:
    """Return the sha256 of a description's canonical JSON."""
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def described_all(opened: Opener, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Describe these workloads, or every registered one; one that cannot be described has its `reason` instead."""
    found = []
    for name in registry.names() if names is None else names:
        try:
            found.append(described(name, opened))
        except PreflightError as refused:
            reason = refused.reason
            found.append({"name": name, "reason": {"code": reason.code, "message": reason.message, "at": reason.at}})
        except (Exception, SystemExit) as error:  # a stranger's module may do anything; the other workloads stay
            at = place_of(error) if isinstance(error, Exception) else None
            found.append({"name": name, "reason": {"code": "workload_failed", "message": one_line(error), "at": at}})
    return found
