"""Which seeds a study trains on: its own, and streams of others that never meet. Pure functions."""

from __future__ import annotations

from search.definition.schema import StudyDefinition

SEED_STEP = 1_000_003
STREAM_STEP = 7_368_787
MAX_SEED = 2**31

CONFIRMATION, SEARCH, REFERENCES = 0, 1, 2
"""Streams of seeds: for trainings again, for search trials and baselines beside the study's own seed, for references likewise."""


def seeds_from(definition: StudyDefinition, stream: int, count: int) -> list[int]:
    """Return `count` seeds that are not the study's own; different streams have different ones."""
    return [(definition.search.seed + STREAM_STEP * stream + SEED_STEP * (i + 1)) % MAX_SEED for i in range(count)]


def several_seeds(definition: StudyDefinition) -> tuple[int, ...]:
    """Return all seeds of a search trial or baseline, the study's own first; () where that is the only one."""
    more = seeds_from(definition, SEARCH, definition.search.seeds - 1)
    return (definition.search.seed, *more) if more else ()
