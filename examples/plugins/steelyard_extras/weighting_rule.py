"""A weighting rule: every term comes to one size, by the means of the epoch before."""

from __future__ import annotations

from typing import Any

import numpy as np

from search.catalog import WeightingRule

EQUAL_SIZE = WeightingRule(
    name="equal-size",
    summary="Every term counts 1 / its mean over the epoch before.",
    formula="w_i = m (1 / L_i) / sum_j (1 / L_j), L_i the mean of the epoch before, at first the value before training",
    source="ours",
    title="weights to equal size",
    implementation="steelyard_extras.weighting_rule:RULE",
    moves="epoch",
    domain="not_negative",
)


class EqualSize:
    """Remembers each term's latest mean, [K, terms]."""

    descends: tuple[str, ...] = ()

    def init(self, counts: Any, initial: Any) -> dict[str, Any]:
        return {"means": np.broadcast_to(initial, counts.shape)}

    def weights(self, state: Any, view: Any) -> Any:
        means = state["means"]
        inverse = np.where(view.counts & (means > 0), 1 / np.where(means > 0, means, 1), 0)
        total = inverse.sum(axis=1, keepdims=True)
        return view.counts.sum(axis=1, keepdims=True) * inverse / np.where(total > 0, total, 1)

    def update(self, state: Any, view: Any) -> dict[str, Any]:
        return {"means": np.where(view.measured, view.terms, state["means"])}


RULE = EqualSize()
