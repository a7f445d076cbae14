"""How large a stack some settings are trained in: smaller than the largest only where that is worth a trace."""

from __future__ import annotations

from search.training.engine.cost import cost_of
from search.training.engine.strategies import Strategy, stack_size
from search.training.problem.problem import TrainingProblem

SECONDS_A_TRACE = 1.0
"""What a new stack costs to trace, roughly; a small one less, a large unrolled one more."""


class StackSizes:
    """Chooses the sizes of one problem's stacks.

    By estimates from the model, not by measured times or by what is traced already: the stack's size decides last bits, which
    must not depend on the load of the moment or on what came before.
    """

    def __init__(self, problem: TrainingProblem, strategy: Strategy) -> None:
        self._strategy, self._steps_an_epoch = strategy, problem.steps("train")
        self._seconds_a_place = strategy.cost_of_a_place * cost_of(problem).seconds_a_step

    def chosen(self, count: int, size: int, limit: int, epochs: int) -> int:
        """Return a smaller size than `size` for `count` settings where that saves more than a trace in `epochs`, else `size`.

        `limit`: the largest stack of the engine.
        """
        smaller = stack_size(count, limit, self._strategy)
        saved = self._steps_an_epoch * epochs * (size - smaller) * self._seconds_a_place
        return smaller if saved >= SECONDS_A_TRACE else size
