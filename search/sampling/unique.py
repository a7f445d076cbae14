"""Suggestions of a finite space, of which none is a setting that is known already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from search.definition import finite
from search.definition.schema import StudyDefinition
from storage.records import Values

UNUSED = 2
"""Beside the study's seed and a trial's number, so that the draw shares no numbers with others."""


def without_known(
    definition: StudyDefinition, drawn: Iterable[Values], known: Iterable[Values], number: int
) -> Iterator[tuple[int, Values]]:
    """Yield (index, parameters) of each suggestion; one that is known, or came before, is replaced by a setting that is not.

    `number` is the first suggestion's number in the study: what replaces a suggestion is drawn by its number and the study's seed
    alone. Ends early where every setting is known.
    """
    taken = {finite.setting(definition, parameters) for parameters in known}
    for index, parameters in enumerate(drawn):
        chosen: Values | None = parameters
        if finite.setting(definition, parameters) in taken:
            chosen = _unused(definition, taken.__contains__, number + index)
        if chosen is None:
            return
        taken.add(finite.setting(definition, chosen))
        yield index, chosen


def _unused(definition: StudyDefinition, is_taken: Callable[[finite.Setting], bool], number: int) -> Values | None:
    """Return a combination whose setting is not taken: the first one from a place that is drawn; None where all are."""
    count = finite.combinations(definition)
    start = int(np.random.default_rng([definition.search.seed, number, UNUSED]).integers(count))
    for step in range(count):
        parameters = finite.combination(definition, (start + step) % count)
        if not is_taken(finite.setting(definition, parameters)):
            return parameters
    return None
