"""How large a stack some settings are trained in: smaller than the largest only where that is worth a trace."""

from __future__ import annotations

from search.training.engine.cost import Cost
from search.training.engine.strategies import Strategy, stack_size

SECONDS_A_STEP = 3e-4
"""What a step takes however few settings are in it, roughly."""

WORTH_WAITING = 0.95
"""What settings that wait for others must cost then, of what they cost alone: the study's other trials wait, and other studies."""

SECONDS_A_TRACE = 1.0
"""What a new stack costs to trace, roughly; a small one less, a large unrolled one more."""


def chosen_size(count: int, size: int, limit: int, steps: int, strategy: Strategy, cost: Cost) -> int:
    """Return a smaller size than `size` for `count` settings where that saves more than a trace in `steps` steps, else `size`.

    `limit`: the largest stack of the engine. It estimates from the model and reads neither measured times nor what is traced
    already: the stack's size decides last bits, which must not depend on the load of the moment or on what came before.
    """
    smaller = stack_size(count, limit, strategy, convolves=cost.own_convolutions)
    saved = steps * (size - smaller) * strategy.cost_of_a_place * cost.seconds_a_step
    return smaller if saved >= SECONDS_A_TRACE else size


def more_cost_less(going_on: int, tried: int, limit: int, steps: int, strategy: Strategy, cost: Cost) -> bool:
    """Return whether settings that go on for so many steps cost less each once `limit` more were tried.

    `going_on` of `tried` do so now, and the same share of the others will: those then take the places that are free.
    """
    if not 0 < going_on < limit:
        return False
    expected = round(going_on * (tried + limit) / tried)
    now, then = (_seconds_a_setting(count, limit, steps, strategy, cost) for count in (going_on, expected))
    return then < WORTH_WAITING * now


def _seconds_a_setting(count: int, limit: int, steps: int, strategy: Strategy, cost: Cost) -> float:
    """Return roughly what a step takes a setting where `count` of them train so many steps, as many together as have room."""
    full, rest = divmod(count, limit)
    sizes = [limit] * full + ([chosen_size(rest, limit, limit, steps, strategy, cost)] if rest else [])
    return sum(SECONDS_A_STEP + size * strategy.cost_of_a_place * cost.seconds_a_step for size in sizes) / count


def likely_sizes(size: int, limit: int, steps: int, strategy: Strategy, cost: Cost) -> list[int]:
    """Return the smaller sizes in which settings go on where so many steps are left, the greatest first.

    None of copies: each of these is traced for seconds, and most are never used.
    """
    if strategy.cost_of_a_place >= 1:
        return []
    counts = (size >> halvings for halvings in range(1, size.bit_length()))
    found = (chosen_size(count, size, limit, steps, strategy, cost) for count in counts)
    return [each for each in dict.fromkeys(found) if each < size]
