"""Suggestions of weight settings. Optuna runs in memory, rebuilt from stored trials at every call.

Every suggestion is seeded by (study seed, trial number), and depends on nothing else but the trials that it is given. Some of them
may still train, and stand as at their last report but one (`search.planning.ahead`); after a crash they are those that have ended.
A grid and quasi-random points are our own, by search index, and need no Optuna.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from search.catalog import find_sampler, implementation
from search.catalog.entries import PRUNED_BATCH
from search.catalog.plugins import SAMPLER_KIND
from search.definition.finite import finite_space
from search.definition.plugins import sampler_of
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.definition.weights import SharedWeight, WeightChoice
from search.errors import PluginFailed
from search.sampling.cmaes import CmaEs, Replayed
from search.sampling.frozen import frozen
from search.sampling.generations import left_of_generation
from search.sampling.observations import directions, observed_values, without_extremes
from search.sampling.spaced import Spaced
from search.sampling.unique import without_known
from storage.records import Reason, TrialRecord, TrialState, Values

optuna.logging.set_verbosity(optuna.logging.WARNING)

FEW = 8
"""The last trials join those before them where they are at most one FEW-th as many: alone they take longer."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One suggestion: drawn parameters, and what the sampler wants back with them."""

    parameters: Values
    sampler_state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DrawIndex:
    """Where suggestions begin: the trial's number within the study, and its index among the search trials."""

    number: int
    index: int


@dataclass(frozen=True, slots=True)
class DrawnAhead:
    """Suggestions that were made while trials before them still trained: those from `place` on, in their order.

    They were made after outcome `after` of the study, beside the trials `beside`, which ran then.
    """

    place: DrawIndex
    drawn: tuple[Drawn, ...]
    after: int
    beside: tuple[int, ...]

    def has(self, place: DrawIndex, count: int) -> bool:
        """Return whether they begin at `place` and are `count` at least."""
        return place == self.place and count <= len(self.drawn)


def batch_limit(definition: StudyDefinition, observed: Sequence[TrialRecord], left: int | None = None) -> int:
    """Return how many trials the sampler should suggest at once: any number for those that do not learn.

    `left`: how many the search has left, where a sampler that has begun to learn is asked for the last few with those before them.
    """
    chosen = definition.search.sampler
    entry = sampler_of(chosen)
    if not entry.learns:
        return definition.search.cohort_size or 1024
    if entry.generation:
        return left_of_generation(definition, observed)
    if observed:
        return with_the_last(entry.next_batch * (1 if definition.search.pruner is None else PRUNED_BATCH), left)
    first = entry.first_batch
    return first if isinstance(first, int) else max(int(entry.arguments(chosen.config)[first]), 1)


def with_the_last(batch: int, left: int | None) -> int:
    """Return how many trials to take of those that are left: so many, or all where few would be left over."""
    return left if left is not None and 0 < left - batch <= batch // FEW else batch


def unavailable(definition: StudyDefinition) -> Reason | None:
    """Return why this process cannot ask the definition's sampler, or None where it can. Imports nothing."""
    entry = sampler_of(definition.search.sampler)
    if entry.needs is None or importlib.util.find_spec(entry.needs.module) is not None:
        return None
    lacking, install = f"needs {entry.needs.title}, which this worker does not have", f"`pip install {entry.needs.install}`"
    return Reason("sampler_unavailable", f"the sampler {entry.name} {lacking}: install it with {install}", "search.sampler.name")


def suggest(
    definition: StudyDefinition, observed: Sequence[TrialRecord], place: DrawIndex, count: int, known: Collection[Values] = ()
) -> list[Drawn]:
    """Return `count` suggestions, from the search trials that the sampler observes.

    Of a finite space no setting is suggested twice: none of those observed, nor of `known`, the parameters of all that has been
    planned and not cancelled. There are fewer suggestions where all settings are known.
    """
    entry = sampler_of(definition.search.sampler)
    if entry.draws_points:
        points = implementation(SAMPLER_KIND, entry)(definition, place.index, count)
        drawn = [Drawn(_checked(definition, point)) for point in points]
    else:
        drawn = _ask(definition, observed, place, count)
    finite = None if entry.is_grid else finite_space(definition)
    if finite is None:
        return drawn
    before = [*known, *(trial.parameters for trial in observed if trial.state is not TrialState.CANCELLED)]
    chosen = without_known(finite, [one.parameters for one in drawn], before, definition.search.seed, place.number)
    return [Drawn(parameters, drawn[index].sampler_state) for index, parameters in chosen]


def _ask(definition: StudyDefinition, observed: Sequence[TrialRecord], place: DrawIndex, count: int) -> list[Drawn]:
    searched = SearchSpace(definition).parameters
    distributions = {path: _distribution(weight) for path, weight in searched.items()}
    ways = directions(definition.objective)
    worth = observed_values(definition.objective, observed)
    if sampler_of(definition.search.sampler).models_values:
        worth = without_extremes(worth, ways)
    study = optuna.create_study(directions=ways, sampler=optuna.samplers.RandomSampler(seed=0))
    by_number = sorted(observed, key=lambda record: record.number)
    made = [frozen(record, searched, distributions, worth.get(record.number)) for record in by_number]
    study.add_trials([trial for trial in made if trial is not None])
    drawn, replayed = [], Replayed()
    for number in range(place.number, place.number + count):
        study.sampler = _sampler(definition, _seed(definition.search.seed, number), distributions)
        if isinstance(study.sampler, CmaEs):
            study.sampler.replayed = replayed
        trial = study.ask(distributions)
        parameters = _checked(definition, _from_optuna(definition, trial.params))
        drawn.append(Drawn(parameters, study.get_trials(deepcopy=False)[-1].system_attrs))
    return drawn


def _seed(study_seed: int, number: int) -> int:
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def make_random(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def make_tpe(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    # Optuna's own default is not joint for several values. Measured on known fronts, 32 and 64 trials, 12 seeds: the median of the
    # hypervolume is as good or better jointly, and the worst seed's better throughout.
    jointly = config.get("multivariate") is not False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` was the user's own choice
        made = _Tpe if jointly and not config.get("group") else optuna.samplers.TPESampler
        return made(seed=seed, **{**config, "multivariate": jointly})


class _Tpe(optuna.samplers.TPESampler):
    """Joint TPE over parameters that are the same in every trial.

    Optuna's compares those of all trials before each suggestion: a tenth of its time, to find what `whole` says.
    """

    whole: Mapping[str, BaseDistribution] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        ended = study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE, OptunaState.PRUNED))
        return {path: span for path, span in sorted(self.whole.items()) if not span.single()} if ended else {}


def make_gp(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `deterministic_objective`, as above
        return optuna.samplers.GPSampler(seed=seed, **config)


def make_cmaes(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `lr_adapt` and the like, as above
        return CmaEs(seed=seed, n_startup_trials=0, **config)


class _Genetic(Spaced, optuna.samplers.BaseGASampler):
    """NSGA rebuilt from rows. Its class names the attribute that has a trial's generation, so it may never be renamed.

    Optuna's keeps each generation's parents in the study, and goes back to the first generation where they are lost, as they are
    here. This one works them out anew, the oldest first, through the observed generations, and draws the same however often it is
    rebuilt.
    """

    generations: Sequence[int] = ()

    def __init__(self, *, seed: int, **config: Any) -> None:
        super().__init__(seed=seed, **config)  # type: ignore[call-arg]
        self.config = config
        # Optuna's own would begin with the same numbers as those that choose parents: what mutates would depend on who they are.
        self.mutations = optuna.samplers.RandomSampler(seed=seed ^ 1)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        key = self._get_generation_key()
        complete = study.get_trials(deepcopy=False, states=[OptunaState.COMPLETE])
        self.generations = sorted({each.system_attrs[key] for each in complete if key in each.system_attrs})
        for generation in self.generations[:-1]:
            self.get_parent_population(study, generation + 1)
        super().before_trial(study, trial)

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        before = [each for each in self.generations if each < generation]
        return super().get_parent_population(study, before[-1] + 1) if before else []

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        # By number, as Optuna gives them back once it has kept them: else the first child of a call would have other parents.
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)  # type: ignore[safe-super]

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.mutations.sample_independent(study, trial, param_name, param_distribution)


class Nsga2(_Genetic, optuna.samplers.NSGAIISampler):
    """NSGA-II (Deb et al. 2002)."""


class Nsga3(_Genetic, optuna.samplers.NSGAIIISampler):
    """NSGA-III (Deb and Jain 2014). Who survives of a crowded niche is drawn by lot: from `lots`, the study's seed."""

    lots = 0

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        drawing = make_nsga3(self.config, _seed(self.lots, generation))
        drawing.generations = self.generations
        return super(Nsga3, drawing).select_parent(study, generation)


def make_nsga2(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    return Nsga2(seed=seed, **_with_size("nsga2", config))


def make_nsga3(config: Mapping[str, Any], seed: int) -> Nsga3:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # all of it is, in Optuna's words
        return Nsga3(seed=seed, **_with_size("nsga3", config))


def _with_size(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with the catalog's size of a generation where it has none: Optuna's 50 would be a whole study."""
    entry = find_sampler(name)
    assert entry is not None
    return {**config, entry.generation: entry.arguments(config)[entry.generation]}


def grid_points(definition: StudyDefinition, index: int, count: int) -> list[dict[str, float]]:
    """Return the parameters of the grid's points `index`, `index` + 1, ..."""
    return [SearchSpace(definition).grid_point(index + i) for i in range(count)]


def _checked(definition: StudyDefinition, drawn: Values) -> Values:
    """Return drawn parameters. Raises PluginFailed where a sampler from outside drew something that may not be drawn."""
    if definition.search.sampler.plugin is None:
        return drawn
    searched = SearchSpace(definition).parameters
    odd = [path for path, span in searched.items() if path not in drawn or not span.may_be(drawn[path])]
    if odd or len(drawn) > len(searched):
        path = (odd or [path for path in drawn if path not in searched])[0]
        raise PluginFailed(f"the sampler {definition.search.sampler.name!r} drew {drawn.get(path)!r} for {path}")
    return drawn


def _sampler(definition: StudyDefinition, seed: int, distributions: Mapping[str, BaseDistribution]) -> optuna.samplers.BaseSampler:
    chosen = definition.search.sampler
    entry = sampler_of(chosen)
    config = chosen.config if chosen.plugin is None else entry.arguments(chosen.config)
    sampler = implementation(SAMPLER_KIND, entry)(config, seed)
    if not isinstance(sampler, optuna.samplers.BaseSampler):
        raise PluginFailed(f"the sampler {entry.name!r} should make a sampler of Optuna, got a {type(sampler).__name__}")
    if isinstance(sampler, optuna.samplers.CmaEsSampler) and not isinstance(sampler, CmaEs):
        raise PluginFailed(f"the sampler {entry.name!r} is Optuna's CmaEsSampler, whose pickles no worker opens: use cmaes")
    if isinstance(sampler, (Spaced, _Tpe)):
        sampler.whole = distributions
    if isinstance(sampler, Nsga3):
        sampler.lots = definition.search.seed
    return sampler


def _distribution(weight: SharedWeight) -> BaseDistribution:
    """Return the Optuna distribution of a searched weight; `values` go as their ordered index."""
    if isinstance(weight, WeightChoice):
        return IntDistribution(0, len(weight.values) - 1)
    return FloatDistribution(weight.low, weight.high, log=weight.scale == "log")


def _from_optuna(definition: StudyDefinition, params: Mapping[str, Any]) -> dict[str, float]:
    searched = SearchSpace(definition).parameters
    return {path: _value(searched[path], params[path]) for path in searched}


def _value(weight: SharedWeight, param: float) -> float:
    return sorted(weight.values)[int(param)] if isinstance(weight, WeightChoice) else float(param)
