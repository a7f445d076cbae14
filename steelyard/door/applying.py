"""A found answer applied to the user's own model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OwnTerms:
    """The user's own terms in the form of a workload."""

    def __init__(self, own: Mapping[str, Mapping[str, Any]]) -> None:
        from search.training.user.brought import restored

        for kind, terms in own.items():
            setattr(self, kind, {name: restored(term) for name, term in terms.items()})


def apply_document(model: Any, best: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a compiled model that trains what a document says."""
    from search.training.user.apply import apply

    return apply(model, best, workload=OwnTerms(own))


def returns_names(model: Any) -> bool:
    """Return whether a model's outputs are named by its layers, and not by the keys of a dict."""
    from search.training.problem.keras_private import graph_of

    graph = graph_of(model)
    return graph is not None and not isinstance(graph[1], Mapping)


def flat(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial as one row of a table."""
    plain = {name: trial[name] for name in ("number", "role", "rule", "state", "seed")}
    weights = {f"weight {path}": value for path, value in trial["weights"].items()}
    metrics = {f"{split} {path}": value for split, values in trial["metrics"].items() for path, value in values.items()}
    return {**plain, "value": trial["objective"]["value"], **weights, **metrics}
