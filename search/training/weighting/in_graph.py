"""Weights that move from step to step, inside of the graph that trains.

Settings of fixed, scheduled and dwa weights, whose weights stand still within an epoch, share a graph with those of rules that need
nothing of a step but its terms: masks choose by setting. Rules that need more have a graph for those that need the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from search.catalog.weighting_rules import Need
from search.training.problem.batch import Tensor
from search.training.weighting.loading import computes, rule_named
from search.training.weighting.protocol import State, StepView


class StepRules(NamedTuple):
    """The rules of a group's settings by name, and who follows each: [K], bool. All of them need the same of a step.

    `seed`, and `before`, the steps done in earlier epochs, are int64 scalars.
    """

    names: tuple[str, ...]
    follows: tuple[Tensor, ...]
    seed: Tensor
    before: Tensor

    @property
    def needs(self) -> tuple[Need, ...]:
        return rule_named(self.names[0]).needs

    @property
    def needs_shared_layer(self) -> bool:
        return rule_named(self.names[0]).needs_shared_layer

    @property
    def weigh_this_step(self) -> bool:
        return rule_named(self.names[0]).weighs_this_step

    def view(self, given: Tensor, step: Tensor) -> StepView:
        """Return what rules see before step `step` of the epoch; `given` [K, terms] are the weights set before it."""
        counts = tf.not_equal(given, 0)
        return StepView(counts, counts, self.seed, self.before + tf.cast(step, tf.int64))

    def weights(self, given: Tensor, states: Mapping[str, State], view: StepView) -> Tensor:
        """Return the weights in force in a step, [K, terms]."""
        weights = given
        for name, follows in zip(self.names, self.follows, strict=True):
            found = tf.cast(computes(name).weights(states[name], view), given.dtype)
            weights = tf.where(follows[:, tf.newaxis] & view.counts, found, weights)
        return weights

    def of(self, place: Tensor) -> StepRules:
        """Return those of the setting at `place` alone: K is 1."""
        return self._replace(follows=tuple(tf.gather(each, [place]) for each in self.follows))

    def weigher(self, given: Tensor, states: Mapping[str, State], view: StepView) -> Callable[..., Tensor]:
        """Return what finds a step's weights [K, terms] from (terms, sums, norms, gram) that it measures.

        Given the place of one setting after them, it finds those of that setting, [1, terms], from its own.
        """

        def weigh(terms: Tensor, sums: Tensor, norms: Tensor | None, gram: Tensor | None, place: Tensor | None = None) -> Tensor:
            def here(values: Tensor) -> Tensor:
                return values if place is None else tf.gather(values, [place])

            counts = here(view.counts)
            measured = counts & (sums[..., 1] > 0)
            seen = view._replace(counts=counts, measured=measured, terms=terms, norms=norms, gram=gram)
            mine = {name: {state: here(value) for state, value in own.items()} for name, own in states.items()}
            rules = self if place is None else self.of(place)
            return rules.weights(here(given), mine, seen)

        return weigh
