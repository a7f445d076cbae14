"""What the terms are before training: who needs it, and when it is no good. Pure functions."""

from __future__ import annotations

from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from storage.records import Reason, Values


def normalization_error(definition: StudyDefinition, initial: Values) -> Reason | None:
    """Return why losses cannot be divided by these values, or None where they can, or need not be."""
    if definition.search.normalize is None:
        return None
    for term in SearchSpace(definition).terms:
        if term.kind == "loss" and not initial.get(term.path, 0.0) > 0:
            value = f"{initial[term.path]:.4g}" if term.path in initial else "not finite"
            text = f"normalize initial_loss divides {term.path} by its value before training, which must be above 0: it is {value}"
            return Reason("bad_initial_loss", text, "search.normalize")
    return None


def divisors(definition: StudyDefinition, initial: Values) -> dict[str, float]:
    """Return what each loss is divided by, by term path; empty where nothing is. Penalties are not: they may be 0 at first."""
    if definition.search.normalize is None:
        return {}
    return {term.path: initial[term.path] for term in SearchSpace(definition).terms if term.kind == "loss" and term.path in initial}
