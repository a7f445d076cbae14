"""A pruner that ends trials which lie too far behind the best at the same epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.catalog import PrunerEntry, integer, number
from search.sampling.pruning import RungScore

LEFT_BEHIND = PrunerEntry(
    name="left-behind",
    summary="Ends trials that lie more than `margin` behind the best at the same epoch.",
    parameters=(
        number("margin", 0.1, "Difference in the objective's value.", least=0),
        integer("warmup_epochs", 1, "No trial is ended in the first so many epochs.", least=0),
        integer("interval_epochs", 1, "Epochs from one look to the next.", least=1),
    ),
    implementation="steelyard_extras.pruner:rule",
)


def rule(config: Mapping[str, Any], mine: RungScore, known: Sequence[RungScore]) -> str | None:
    """Return why a trial is hopeless among all that are known at an epoch, itself included; None where it is not."""
    best = max(known, key=lambda trial: trial.score.rank)
    if mine.score.rank >= best.score.rank:
        return None
    behind = best.score.value - mine.score.value
    return None if behind <= config["margin"] else f"{behind:.3g} behind trial {best.number}"
