"""Samplers that learn from whole generations (CMA-ES, NSGA): how many trials the latest one lacks. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.definition.plugins import sampler_of
from search.definition.schema import Sampler, StudyDefinition
from search.definition.space import SearchSpace
from search.sampling.observations import observed_values
from storage.records import TrialRecord


def left_of_generation(definition: StudyDefinition, observed: Sequence[TrialRecord]) -> int:
    """Return how many trials the latest generation still lacks; 0 while one that is fully planned is being trained.

    The sampler learns from whole generations alone: the first `size` results of one make the next, and any more of them are wasted.
    So a second worker waits for the generation rather than spend the budget on it: more workers do not make it learn less.
    A trial without a value (diverged, pruned, failed) is no part of its generation, and is drawn again.
    """
    size = generation_size(definition)
    latest = max(map(generation, observed), default=0)
    members = [record for record in observed if generation(record) == latest]
    results = len(observed_values(definition.objective, members))
    unfinished = sum(not record.ended for record in members)
    return size if results >= size else max(size - results - unfinished, 0)


def generation_size(definition: StudyDefinition) -> int:
    """Return how many results make a generation."""
    given = given_size(definition.search.sampler)
    # Hansen, "The CMA Evolution Strategy: A Tutorial", equation 48; the cmaes package does the same.
    return 4 + math.floor(3 * math.log(len(SearchSpace(definition).parameters))) if given is None else given


def given_size(chosen: Sampler) -> int | None:
    """Return how many results of a generation a sampler's config or default says; None where it is left to the space."""
    entry = sampler_of(chosen)
    given = entry.arguments(chosen.config).get(entry.generation)
    return given if isinstance(given, int) else None


def generation(record: TrialRecord) -> int:
    """Return the generation that a trial belongs to, -1 for none; each sampler and variant names its own: `cma:generation`."""
    return next((int(value) for name, value in record.sampler_state.items() if name.endswith(":generation")), -1)
