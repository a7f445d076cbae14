"""What a model of all trainings so far believes: what tried settings are worth, the best place, and what is still to be gained.

The best of many values on one seed is partly the luckiest. The model's mean of a tried setting takes its neighbours in, and its own
best place may be one that nobody tried. Pure functions of records: the same for every worker.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.definition.plugins import is_grid
from search.definition.schema import Objective, StudyDefinition
from search.objective.anchors import is_resolved, resolve_anchors
from search.objective.scoring import slacks
from search.sampling.observations import floored
from search.sampling.places import Places
from search.sampling.surrogate import Array, Observations, Surrogate, noise_of
from storage.records import AnchorRecord, Role, TrialRecord, TrialState, Values

FEWEST = 5
"""Fewer search trials with a value say too little for a model."""

MOST = 250
"""The model is given so many trainings of search trials at most; all of these have a mean."""

SPREAD, AROUND, NEAR = 256, 4, 24
CURVES = 512

SURE = 0.8
"""A setting that keeps the constraints in a smaller share of the model's curves is ranked behind all others."""


@dataclass(frozen=True, slots=True)
class SeedTraining:
    """One training of a setting, by the number of the trial that had it first; without a place it informs the noise alone.

    `slacks` says by how much it keeps each bound (`search.objective.scoring.slacks`), where that is known.
    """

    number: int
    place: tuple[float, ...] | None
    seed: int
    value: float
    slacks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Beliefs:
    """The posterior over a study's settings; `tried` are its search trials with a value, the winner among them.

    `bounds` are models of by how much each bound of a constraint is kept.
    """

    places: Places
    tried: Sequence[TrialRecord]
    surrogate: Surrogate
    bounds: tuple[Surrogate, ...] = ()

    @cached_property
    def means(self) -> dict[int, float]:
        """What each tried setting is worth, by trial number: its posterior mean over seeds, in the objective's units."""
        found = self.surrogate.means(self.places.of(self.tried))
        return {trial.number: float(mean) for trial, mean in zip(self.tried, found, strict=True)}

    @cached_property
    def ranks(self) -> dict[int, float]:
        """What tried settings are ranked by, greatest first, by trial number: what they are worth.

        Those that keep the constraints in less than `SURE` of the curves come behind all others, the surest of them first.
        """
        if not self.bounds:
            return self.means
        at = self.places.of(self.tried)
        keep = np.logical_and.reduce([curves >= 0 for curves in self.slack_curves(at, CURVES)]).mean(axis=0)
        least = min(self.means.values())
        behind = {trial.number: least - (1 - float(share)) for trial, share in zip(self.tried, keep, strict=True) if share < SURE}
        return {**self.means, **behind}

    def slack_curves(self, places: Array, count: int) -> list[Array]:
        """Return draws of by how much each bound is kept at places [n, d]: [count, n] for each."""
        return [bound.curves(places, count, seed=1 + i) for i, bound in enumerate(self.bounds)]

    def keeps(self, places: Array, count: int, beside: int) -> NDArray[np.bool_]:
        """Return in which of `count` draws which places [n, d] keep the constraints: [count, n].

        A bound that the place `beside` breaks in a draw need not be kept better than there.
        """
        found = np.ones((count, len(places)), dtype=bool)
        for curves in self.slack_curves(places, count):
            found &= curves >= np.minimum(curves[:, beside], 0.0)[:, None]
        return found

    def breaks(self, parameters: Values) -> bool:
        """Return whether by the model's mean a place breaks a constraint."""
        at = self.places.at([parameters])
        return any(bool(bound.means(at)[0] < 0) for bound in self.bounds)

    def allowed_means(self, places: Array) -> Array:
        """Return the posterior means at places [n, d], minus infinity where a bound's mean breaks it, unless all do."""
        means = self.surrogate.means(places)
        keep = np.logical_and.reduce([np.ones(len(places), bool), *(bound.means(places) >= 0 for bound in self.bounds)])
        return np.where(keep, means, -math.inf) if keep.any() else means

    @cached_property
    def _pool(self) -> list[Values]:
        """Parameters to choose a best place among: the tried ones, evenly spread ones, and those around the best tried ones."""
        tried: list[Values] = [trial.parameters for trial in self.tried]
        if is_grid(self.places.definition.search.sampler):
            return tried
        best = sorted(self.tried, key=lambda trial: -self.ranks[trial.number])[:AROUND]
        around = [point for trial in best for point in self.places.near(trial.parameters, NEAR)]
        return [*tried, *map(self.places.rounded, [*self.places.spread(SPREAD), *around])]

    @cached_property
    def _pool_places(self) -> Array:
        return self.places.at([self.places.on_axes(drawn) for drawn in self._pool])

    @cached_property
    def best(self) -> Values:
        """The parameters with the greatest posterior mean, tried or not; of equals a tried one. Of a grid, a tried one."""
        return self._pool[int(np.argmax(np.round(self._pool_means, 12)))]

    @cached_property
    def _pool_means(self) -> Array:
        return self.allowed_means(self._pool_places)

    @cached_property
    def expected_gain(self) -> float:
        """What a perfect continuation of the search is expected to gain over the best place now, in units of one training's noise.

        The mean, over posterior curves, of how much each curve's greatest value lies above its value at the best place (what
        stopping now would regret: Makarova et al., "Automatic Termination for Hyperparameter Optimization", 2022).
        """
        at = self._pool_places[np.argsort(-self._pool_means, kind="stable")]
        curves = self.surrogate.curves(at, CURVES)
        gains = np.where(self.keeps(at, CURVES, beside=0), curves, -math.inf).max(axis=1) - curves[:, 0]
        return float(gains.mean()) / self.surrogate.noise


def beliefs(
    definition: StudyDefinition,
    searched: Sequence[TrialRecord],
    repeated: Sequence[SeedTraining] = (),
    divisors: Mapping[str, float] | None = None,
    baselines: Sequence[TrialRecord] = (),
    anchors: Sequence[AnchorRecord] = (),
) -> Beliefs | None:
    """Return what is believed after search trials (`value` as the study judges), baselines and trainings on fresh seeds.

    None where fewer than `FEWEST` search trials have a finite value and keep the constraints, or nothing is searched. The value and
    by how much each bound of a constraint is kept have a model each: one training that breaks a bound may do so by chance. A trial
    that diverged counts as no better than the worst one that did not; pruned, failed and unfinished ones say nothing. `divisors`
    are what losses are divided by under `normalize`, `anchors` what bounds are relative to.
    """
    places = Places(definition)
    placed = [trial for trial in searched if trial.role is Role.SEARCH and places.axes.keys() <= trial.parameters.keys()]
    tried = [trial for trial in placed if known(trial)]
    if len(tried) < FEWEST or not places.axes:
        return None
    objective = resolve_anchors(definition.objective, anchors)
    worst = min(float(trial.value or 0.0) for trial in tried)
    given = _thinned(tried, {each.number for each in repeated})
    failed = _thinned([trial for trial in placed if _failed(trial)], ())
    trainings = [
        *_trainings(objective, given, places.of(given), [float(trial.value or 0.0) for trial in given]),
        *_trainings(objective, failed, places.of(failed), [_of_failed(objective, trial, worst) for trial in failed]),
        *_of_baselines(objective, places, baselines, divisors or {}),
    ]
    return Beliefs(places, tried, Surrogate(observations_of(places, trainings, repeated)), _bounds(places, trainings, repeated))


def _bounds(places: Places, trainings: Sequence[SeedTraining], repeated: Sequence[SeedTraining]) -> tuple[Surrogate, ...]:
    """Return the model of by how much each bound is kept, from the trainings in which all are known."""
    one, other = (_with_slacks(each) for each in (trainings, repeated))
    count = len(one[0].slacks) if one else 0
    by_bound = [[[replace(each, value=each.slacks[i]) for each in part] for part in (one, other)] for i in range(count)]
    return tuple(Surrogate(observations_of(places, *parts)) for parts in by_bound)


def _with_slacks(trainings: Sequence[SeedTraining]) -> list[SeedTraining]:
    return [each for each in trainings if each.slacks and all(map(math.isfinite, each.slacks))]


def _thinned(tried: Sequence[TrialRecord], repeated: Collection[int]) -> list[TrialRecord]:
    """Return search trials with at most `MOST` trainings, evenly from first to last whatever they reached, and the repeated ones.

    A model's time grows with the cube of its trainings, and choosing the best ones would show it a curve that is too high there.
    """
    most = max(MOST // max((len(trial.seeds) for trial in tried), default=1), 2)
    if len(tried) <= most:
        return list(tried)
    chosen = {tried[i * (len(tried) - 1) // (most - 1)].number for i in range(most)}
    return [trial for trial in tried if trial.number in chosen or trial.number in repeated]


def known(trial: TrialRecord) -> bool:
    """Return whether a trial is COMPLETE, keeps the constraints and has a finite value."""
    complete = trial.state is TrialState.COMPLETE and trial.feasible is not False
    return complete and trial.value is not None and math.isfinite(trial.value)


def _failed(trial: TrialRecord) -> bool:
    """Return whether a trial was trained and came to nothing: it diverged, or broke a constraint."""
    infeasible = trial.state is TrialState.COMPLETE and trial.feasible is False
    return infeasible or trial.state is TrialState.DIVERGED


def _of_failed(objective: Objective, trial: TrialRecord, worst: float) -> float:
    """Return what a trial that broke a constraint or diverged counts as: what it is worth where it is known what it broke."""
    value = trial.value if trial.value is not None and math.isfinite(trial.value) else math.inf
    return value if math.isfinite(value) and _is_known_by_bounds(objective, trial) else min(worst, value)


def _is_known_by_bounds(objective: Objective, trial: TrialRecord) -> bool:
    """Return whether it is known by how much a trial keeps each bound: then its value counts whether it keeps them or not."""
    bounds = slacks(objective, trial.values) if trial.state is TrialState.COMPLETE and is_resolved(objective) else ()
    return bool(bounds) and all(map(math.isfinite, bounds))


def _trainings(objective: Objective, trials: Sequence[TrialRecord], places: Array, values: Sequence[float]) -> list[SeedTraining]:
    return [
        each
        for trial, place, value in zip(trials, places, values, strict=True)
        for each in _under_each_seed(objective, trial, tuple(map(float, place)), value)
    ]


def _under_each_seed(objective: Objective, trial: TrialRecord, place: tuple[float, ...], value: float) -> list[SeedTraining]:
    """Return a trial's trainings; one on several seeds whose values are not all finite, or that came to nothing, counts as one.

    By how much bounds are kept is known as the mean over its seeds: the first one stands for them.
    """
    bounds = slacks(objective, trial.values) if trial.state is TrialState.COMPLETE else ()
    values = [each for each in trial.by_seed.values() if each is not None and math.isfinite(each)]
    if not values or len(values) < len(trial.by_seed) or value != trial.value:
        return [SeedTraining(trial.number, place, trial.seed, value, bounds)]
    seeds = zip(trial.by_seed, values, strict=True)
    return [SeedTraining(trial.number, place, seed, each, () if i else bounds) for i, (seed, each) in enumerate(seeds)]


def _of_baselines(
    objective: Objective, places: Places, baselines: Sequence[TrialRecord], divisors: Mapping[str, float]
) -> list[SeedTraining]:
    finite = [trial for trial in baselines if trial.value is not None and math.isfinite(trial.value)]
    able = [trial for trial in finite if known(trial) or _is_known_by_bounds(objective, trial)]
    placed = [(trial, places.baseline(trial, divisors)) for trial in able]
    return [
        each
        for trial, place in placed
        if place is not None
        for each in _under_each_seed(objective, trial, tuple(place), float(trial.value or 0.0))
    ]


def _is_several(trainings: Sequence[SeedTraining]) -> bool:
    """Return whether some setting was trained twice, which says how far one training's value lies from another's."""
    return len({each.number for each in trainings}) < len(trainings)


def observations_of(places: Places, trainings: Sequence[SeedTraining], repeated: Sequence[SeedTraining]) -> Observations:
    """Return trainings as the model takes them: extremes pulled up (`observations.floored`), the noise from the repeated ones.

    Where nothing was repeated on two fresh seeds, from trials that trained on several seeds.
    """
    everything = [*trainings, *repeated]
    values = floored([each.value for each in everything])
    start = len(trainings) if _is_several(repeated) else 0
    again = everything[start:]
    numbers = [each.number for each in again]
    noise = noise_of(numbers, [each.seed for each in again], values[start:]) if _is_several(again) else None
    placed = [(each, each.place, value) for each, value in zip(everything, values, strict=True) if each.place is not None]
    return Observations(
        np.array([place for _, place, _ in placed], dtype=float).reshape(len(placed), len(places.axes)),
        np.array([each.seed for each, _, _ in placed], dtype=np.int64),
        np.array([value for *_, value in placed], dtype=float),
        places.unordered,
        noise,
    )
