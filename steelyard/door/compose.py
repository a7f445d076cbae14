"""Compose the definition of a call's study: weights and ranges, objective, search and training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.door import definition as wording
from steelyard.door.checked import initial_values
from steelyard.door.habits import stop_after
from steelyard.door.refusals import refused

if TYPE_CHECKING:
    from search.validation.normalize import Normal
    from steelyard.door.call import SearchCall

TRIALS = 32
TRIALS_A_WEIGHT = 10


def composed(call: SearchCall, folder: Path, name: str | None) -> tuple[dict[str, Any], list[str], tuple[str, ...]]:
    """Return the definition of a call, what should be said of it, and the paths whose ranges were chosen here.

    Raises ValidationError, InvalidDefinition and PreflightError for what cannot be trained.
    """
    asked = call.arguments
    ranges = wording.given_weights(call.terms, asked["weight_ranges"])
    ranges |= {each["name"]: each["weight"] for each in call.penalties if "weight" in each and each["name"] not in ranges}
    shared = {key: _range(value, f"shared_weights[{key!r}]") for key, value in (asked["shared_weights"] or {}).items()}
    penalties = [each["name"] for each in call.penalties]
    objective, notes = wording.objective_of(asked["objective"], call.tasks.documents, penalties, call.aliases)
    document: dict[str, Any] = {
        "workload": {"name": call.workload},
        "objective": {**objective, **({"epoch": call.epoch} if call.epoch != "last" and "epoch" not in objective else {})},
        "search": {"seed": asked["seed"], **_confirmation(asked["confirmation"])},
        "training": {
            "epochs": asked["epochs"],
            "batch_size": call.batch_size,
            "optimizer": dict(call.optimizer),
            **({} if asked["shuffle"] else {"shuffle": False}),
            **({"initial_weights": "fixed"} if call.kept is None or asked["initial_weights"] == "model" else {}),
        },
    }
    if name is not None:
        document["name"] = name
    if shared:
        document["weights"] = shared
    if asked["timeout"] is not None:
        document["search"] |= stop_after(asked["timeout"])
    any_weight = {term.path: 1.0 for term in call.terms}
    plain = wording.merged({**document, **_terms(call, any_weight)}, asked["definition"])
    initial = initial_values(folder, _fixed(plain), call.megabytes)
    weights = wording.chosen_weights(call.terms, ranges, initial, plain["training"]["optimizer"])
    document |= _terms(call, weights.by_path)
    if weights.space != "box":
        document["search"]["space"] = weights.space
    searched = sum(isinstance(each, Mapping) and not {"of", "times"} & set(each) for each in weights.by_path.values()) + len(shared)
    document["search"]["trials"] = asked["trials"] or max(TRIALS, TRIALS_A_WEIGHT * searched)
    document = wording.merged(document, asked["definition"])
    normalised(call, document)
    return document, [*weights.notes, *notes], weights.default


def _fixed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition without what is only there for its weights: shared ones, and a search."""
    found = {key: value for key, value in document.items() if key != "weights"}
    return {**found, "search": {"seed": document["search"]["seed"]}}


def _terms(call: SearchCall, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return tasks and penalties with their weights."""
    tasks = [
        {**task, "losses": [{**loss, "weight": weights[f"{task['name']}.{loss['name']}"]} for loss in task["losses"]]}
        for task in call.tasks.documents
    ]
    penalties = [{**penalty, "weight": weights[penalty["name"]]} for penalty in call.penalties]
    return {"tasks": tasks, "penalties": penalties}


def _range(value: Any, at: str) -> Any:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise refused(at, f"(low, high), got {value!r}")
        return {"low": float(value[0]), "high": float(value[1])}
    return dict(value) if isinstance(value, Mapping) else value


def _confirmation(given: Any) -> dict[str, Any]:
    if given == "auto":
        return {}
    if given in (None, False):
        return {"confirmation": None}
    if isinstance(given, Mapping):
        return {"confirmation": dict(given)}
    raise refused("confirmation", f'"auto", None, or a dict such as {{"top": 3, "seeds": 8}}, got {given!r}')


def normalised(call: SearchCall, document: Mapping[str, Any]) -> Normal:
    """Return the normalised definition, checked against the call's own model and rows. Raises InvalidDefinition."""
    from search.validation import normalize

    rows = call.splits["train"]
    description: dict[str, Any] = {kind: sorted(call.own[kind]) for kind in ("losses", "penalties", "metrics")} | {
        "options": {"type": "object", "properties": {}, "additionalProperties": False}
    }
    description["targets"] = {
        name: {"shape": [None, *each.shape[1:]], "dtype": str(each.dtype)} for name, each in rows.targets.items()
    }
    return normalize.normalise(dict(document), workloads={call.workload: description})
