"""What a weighting rule is to the engine: where it starts, the weights it gives, and what it learns from a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from search.training.problem.batch import Tensor

State = Mapping[str, Tensor]
"""What a rule remembers, by names of its own: each [K, n], one row a setting."""

Start = Mapping[str, NDArray[Any]]
"""The state before training."""


class StepView(NamedTuple):
    """What a rule sees of a step of K settings, or of an epoch where it moves between epochs; rows know nothing of each other.

    `counts` [K, terms]: the terms that count, whose starting weight is not 0. `measured`: those of them that something in the batch
    counts for. A rule gives no weight to other terms and learns nothing of them. `seed` is the trainings'; `step` counts the steps
    done before in the whole training (int64 scalars).

    None where it is not there: `terms` [K, terms] are the unweighted terms of the batch, or their means over the epoch. `norms`
    [K, terms] and `gram` [K, terms, terms] are of their gradients by the last shared layer, `after` [K, terms] the terms after the
    step; each for rules that need it. `weights` [K, terms] are those that the step was done under.

    `descend(name, gradient)` moves the state `name`, one of the rule's `descends`, by an optimizer of the study's kind and learning
    rate, and returns its new value [K, n].
    """

    counts: Tensor
    measured: Tensor
    seed: Tensor
    step: Tensor
    terms: Tensor | None = None
    norms: Tensor | None = None
    gram: Tensor | None = None
    after: Tensor | None = None
    weights: Tensor | None = None
    descend: Callable[[str, Tensor], Tensor] | None = None


class WeightingFormula(Protocol):
    """A weighting rule. It holds no state itself: one object serves all settings of all studies.

    A rule that moves between steps computes in the graph, with TensorFlow. One that moves between epochs gets numpy's arrays, is
    asked for `weights` before each epoch, and gets `update` with the epoch's means after it.
    """

    descends: tuple[str, ...]
    """Names of states that the study's optimizer moves."""

    draws: bool
    """Whether the weights depend on `StepView.seed`; where it is not said, they are taken to.

    Settings of other rules are trained together under several seeds: `seed` is then that of one of them.
    """

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        """Return where K settings start. `initial` [terms] are the terms before training; 0 for one that nothing counted for."""

    def weights(self, state: State, view: StepView) -> Tensor:
        """Return the weights of all settings, [K, terms]; those of terms that do not count are not used.

        Of a rule that weighs by this step, `view` has the step's terms; between steps it has none, and the last step's weights are
        asked for.
        """

    def update(self, state: State, view: StepView) -> State:
        """Return the state after a step; names left out stay as they are. Rows without a measured term must stay finite."""
