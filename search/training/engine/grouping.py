"""Which settings are trained together: those of one seed, or those of several seeds where that takes less time.

Settings of one seed share the rows of every step. Settings of several seeds each need their own, and run alone what they could
share; but a few settings of each of many seeds fill one stack together where they would leave many half empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from search.errors import PreflightError
from search.out_of_memory import memory_limit
from search.training.engine.cost import Cost
from search.training.engine.sizes import SECONDS_A_STEP, chosen_size
from search.training.engine.strategies import Strategy
from search.training.interface import Ended, Observer, Setting
from search.training.weighting.loading import check, draws, stacks_with
from storage.records import TrialState

WORTH_A_GRAPH = 0.5
"""Seconds that a cohort must save to train several seeds together: another graph is traced for them."""

BYTES_A_SECOND = 2e9
"""How fast the rows of a step, and what a frozen part makes of them, come together for one setting, roughly."""

MEMORY_SHARE = 0.25
"""Share of the memory that this process may use for a stack with rows of its own for each setting, and one beside it."""


@dataclass(frozen=True)
class Mixing:
    """What it takes to train several seeds on one stack, by a strategy, in a training of `steps` steps.

    Estimated from the model, not measured: which settings are together decides last bits, which must not depend on the load of the
    moment. `alike` says what settings must have the same of beside their rule: what training leaves as it is. `makes` tries to make
    the graph of settings on a stack of so many: where it cannot be, seeds stay apart. `beside`: settings of one seed have another
    stack, which is kept.
    """

    strategy: Strategy
    cost: Cost
    steps: int
    alike: Callable[[Setting], object]
    makes: Callable[[Sequence[Setting], int], bool]
    beside: bool = False

    def places(self, count: int, size: int) -> int:
        """Return how large a stack `count` settings get, at most `size`."""
        return chosen_size(count, size, size, self.steps, self.strategy, self.cost)

    def fits(self, count: int, size: int) -> bool:
        """Return whether `count` settings can share stacks of at most `size`, and there is memory for rows of their own."""
        if not self.strategy.stacks or size <= 1:
            return False
        places, cost = self.places(min(count, size), size), self.cost
        needed = places * (cost.bytes_a_setting + cost.shared_bytes)
        needed += size * cost.bytes_a_setting + cost.shared_bytes if self.beside else 0
        return needed <= memory_limit() * MEMORY_SHARE

    def saves(self, apart: Sequence[Sequence[Setting]], together: Sequence[Sequence[Setting]], size: int) -> bool:
        """Return whether stacks of several seeds are worth their graph, against those of one seed each."""
        saved = sum(self._seconds(len(each), size, 1) for each in apart)
        saved -= sum(self._seconds(len(each), size, len({setting.seed for setting in each})) for each in together)
        return saved * self.steps >= WORTH_A_GRAPH

    def _seconds(self, count: int, size: int, seeds: int) -> float:
        """Return what a step of `count` settings takes: in a stack of one seed, rows and a frozen part are there once."""
        places, cost = self.places(count, size), self.cost
        shared = cost.shared_flops / 2e10 + cost.shared_bytes / BYTES_A_SECOND
        own = self.strategy.cost_of_a_place * cost.seconds_a_step
        return SECONDS_A_STEP + places * own + (places if seeds > 1 else 1) * shared


def has_several_seeds(settings: Sequence[Setting]) -> bool:
    return len({setting.seed for setting in settings}) > 1


def epochs_after_a_rung(settings: Sequence[Setting], epochs: int) -> int:
    """Return for how many epochs settings of one seed are trained after their first rung; 0 where none is judged."""
    judged = [setting for setting in settings if setting.rungs]
    return 0 if not judged or has_several_seeds(judged) else epochs - min(min(setting.rungs) for setting in judged)


def computable(settings: Sequence[Setting], observer: Observer) -> Iterator[Setting]:
    """Yield the settings whose rules this worker has; the others end."""
    for setting in settings:
        try:
            check(setting.rule)
        except PreflightError as refused:
            observer.ended(Ended(setting.number, TrialState.FAILED, 0, refused.reason))
        else:
            yield setting


def groups(settings: Sequence[Setting], size: int, mixing: Mixing | None = None) -> list[Sequence[Setting]]:
    """Return the settings that are trained together, at most `size`, in their order; of one seed, unless mixing them is better.

    Settings whose rules need different things of a step (`gradnorm`, `famo`) are apart. With rungs, all seeds are together where
    they can be: a trial ends at a rung with all its seeds.
    """
    mixes = mixing is not None and has_several_seeds(settings) and mixing.fits(len(settings), size)
    if mixing is None or not mixes:
        return list(_chunks(settings, size, _seed))
    found: list[Sequence[Setting]] = []
    for alike in _alike(settings, lambda setting: (mixing.alike(setting), _drawn_by(setting))):
        apart, together = list(_chunks(alike, size, _seed)), list(_chunks(alike, size, _nothing))
        mixed = max((each for each in together if has_several_seeds(each)), key=len, default=())
        better = mixed and (any(setting.rungs for setting in alike) or mixing.saves(apart, together, size))
        found += together if better and mixing.makes(mixed, mixing.places(len(mixed), size)) else apart
    return found


def _chunks(settings: Sequence[Setting], size: int, key: Callable[[Setting], object]) -> Iterator[Sequence[Setting]]:
    for same in _alike(settings, key):
        for first in range(0, len(same), size):
            yield same[first : first + size]


def _alike(settings: Sequence[Setting], key: Callable[[Setting], object]) -> list[list[Setting]]:
    """Return the settings of one graph and one key, each kind in its order."""
    alike: dict[tuple[object, ...], list[Setting]] = {}
    for setting in settings:
        alike.setdefault((key(setting), *stacks_with(setting.rule)), []).append(setting)
    return list(alike.values())


def _nothing(setting: Setting) -> object:
    return None


def _seed(setting: Setting) -> object:
    return setting.seed


def _drawn_by(setting: Setting) -> object:
    """Return the seed of a setting whose rule draws weights by it: the graph has one for all settings."""
    return setting.seed if draws(setting.rule) else None
