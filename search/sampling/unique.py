"""Suggestions of a finite space, of which none is a setting that is known already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from search.definition.finite import FiniteSpace, Setting
from storage.records import Values

UNUSED = 2
"""Beside the study's seed and a trial's number, so that the draw shares no numbers with others."""


def without_known(
    finite: FiniteSpace, drawn: Iterable[Values], known: Iterable[Values], seed: int, number: int
) -> Iterator[tuple[int, Values]]:
    """Yield (index, parameters) of each suggestion; one that is known, or came before, is replaced by a setting that is not.

    `seed` is the study's, `number` the first suggestion's in the study: they alone decide what replaces a suggestion. Ends early
    where every setting is known.
    """
    taken = {finite.setting(parameters) for parameters in known}
    for index, parameters in enumerate(drawn):
        chosen: Values | None = parameters
        if finite.setting(parameters) in taken:
            chosen = _unused(finite, taken, seed, number + index)
        if chosen is None:
            return
        taken.add(finite.setting(chosen))
        yield index, chosen


def _unused(finite: FiniteSpace, taken: set[Setting], seed: int, number: int) -> Values | None:
    """Return a combination whose setting is not taken: the first one from a place that is drawn; None where all are."""
    count = finite.combinations
    start = int(np.random.default_rng([seed, number, UNUSED]).integers(count))
    for step in range(count):
        parameters = finite.combination((start + step) % count)
        if finite.setting(parameters) not in taken:
            return parameters
    return None
