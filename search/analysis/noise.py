"""How far a single training's value lies from seed to seed, by what a study's anchors measured. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from search.definition.schema import Objective
from search.objective.scoring import evaluate, optimized
from storage.records import AnchorRecord, Values


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of the objective's value over seeds, with its degrees of freedom, and what it was measured on."""

    std: float
    freedom: float
    of: str


def propagated(objective: Objective, values: Values, anchors: Iterable[AnchorRecord]) -> Noise | None:
    """Return the noise of the objective's value that follows from its metrics' spreads at anchors; None where one has no spread.

    First order, metrics taken as independent: each metric moves by its standard deviation both ways from `values`, half the change
    is its part, and parts add up squared. Degrees of freedom after Welch and Satterthwaite.
    """
    parts = []
    known = {anchor.path: anchor for anchor in anchors if anchor.std is not None}
    for path in [entry.metric for entry in optimized(objective)]:
        anchor = known.get(path)
        if anchor is None or anchor.std is None:
            return None
        up, down = (evaluate(objective, {**values, path: values[path] + way * anchor.std}).value for way in (1, -1))
        parts.append((((up - down) / 2) ** 2, len(anchor.seeds) - 1))
    variance = sum(part for part, _ in parts)
    if not math.isfinite(variance):
        return None
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / spread if spread else min(freedom for _, freedom in parts)
    return Noise(math.sqrt(variance), freedom, " and ".join(dict.fromkeys(f"{each.of} trainings" for each in known.values())))
