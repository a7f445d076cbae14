"""Which settings are trained together: of one seed each, or of several where that takes less time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from search.out_of_memory import GIB
from search.training.engine.cost import Cost
from search.training.engine.grouping import Mixing, groups
from search.training.engine.strategies import STRATEGIES
from search.training.interface import Setting

SMALL = Cost(trained_flops=1e6, shared_flops=0.0, own_convolutions=False, bytes_a_setting=2**20, shared_bytes=2**14)


def nothing(setting: Setting) -> object:
    return None


def mixing(strategy: str = "vectorized", cost: Cost = SMALL, steps: int = 2000, alike: Any = nothing, makes: bool = True) -> Mixing:
    return Mixing(STRATEGIES[strategy], cost, steps, alike, lambda settings, size: makes)


def of_seeds(*seeds: int, **more: Any) -> list[Setting]:
    return [Setting(number, seed, {}, **more) for number, seed in enumerate(seeds)]


def numbers(found: Sequence[Sequence[Setting]]) -> list[list[int]]:
    return [[setting.number for setting in group] for group in found]


def test_groups_have_one_seed_and_at_most_the_limit_where_nothing_is_mixed() -> None:
    assert numbers(groups(of_seeds(0, 1, 0, 1, 0, 1, 0), 3)) == [[0, 2, 4], [6], [1, 3, 5]]


def test_a_few_settings_of_each_of_many_seeds_are_one_stack() -> None:
    few = of_seeds(*(seed for seed in range(4) for _ in range(3)))
    assert numbers(groups(few, 16, mixing())) == [list(range(12))]


def test_full_stacks_of_one_seed_each_stay_apart() -> None:
    full = of_seeds(*(seed for seed in range(2) for _ in range(16)))
    assert numbers(groups(full, 16, mixing())) == [list(range(16)), list(range(16, 32))]


def test_one_seed_is_never_asked_what_else_is_alike() -> None:
    def alike(setting: Setting) -> object:
        raise AssertionError("no model need be built")

    assert numbers(groups(of_seeds(3, 3), 4, mixing(alike=alike))) == [[0, 1]]


@pytest.mark.parametrize(
    "unfit",
    [
        mixing("serial"),
        mixing(steps=10),
        mixing(cost=replace(SMALL, shared_flops=1e9)),
        mixing(cost=replace(SMALL, shared_bytes=2**40)),
        mixing(makes=False),
    ],
    ids=["no stack", "too short to pay a graph", "a large frozen part is run once for all", "too much memory", "no such graph"],
)
def test_seeds_stay_apart_where_mixing_costs_more(unfit: Mixing) -> None:
    assert numbers(groups(of_seeds(0, 0, 1, 1), 4, unfit)) == [[0, 1], [2, 3]]


def test_the_graph_is_tried_for_the_stack_that_seeds_share() -> None:
    tried: list[tuple[int, int]] = []
    some = replace(mixing(), makes=lambda settings, size: not tried.append((len(settings), size)))
    found = groups(of_seeds(*[0] * 16, *[1] * 3, *[2] * 3), 16, some)
    assert numbers(found) == [list(range(16)), list(range(16, 22))]
    assert tried == [(6, some.places(6, 16))] == [(6, 8)]


@pytest.mark.parametrize(("beside", "together"), [(False, True), (True, False)])
def test_the_stack_of_one_seed_that_stays_beside_counts_in_the_memory_of_this_process(
    beside: bool, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.training.engine.grouping.memory_limit", lambda: 4 * GIB)
    cost = replace(SMALL, bytes_a_setting=200 * 2**20)  # four are 0.78 of the quarter that may be used
    assert replace(mixing(cost=cost), beside=beside).fits(4, 4) == together


def test_what_training_leaves_as_it_is_must_be_the_same() -> None:
    by_parity = mixing(alike=lambda setting: setting.seed % 2)
    assert numbers(groups(of_seeds(0, 1, 2, 3), 4, by_parity)) == [[0, 2], [1, 3]]


def test_with_rungs_all_seeds_of_a_trial_are_together_whatever_it_saves() -> None:
    assert numbers(groups(of_seeds(0, 1, 0, 1, rungs=(1,)), 4, mixing(steps=1))) == [[0, 1, 2, 3]]


def test_rules_that_draw_by_the_seed_have_a_stack_for_each() -> None:
    learned, drawn = (of_seeds(0, 1, 2, 3, rule=rule) for rule in ("uncertainty", "random"))
    assert numbers(groups(learned, 4, mixing())) == [[0, 1, 2, 3]]
    assert numbers(groups(drawn, 4, mixing())) == [[0], [1], [2], [3]]
