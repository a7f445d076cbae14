"""Suggestions of weight settings. Optuna runs in memory, rebuilt from stored trials at every call.

Every suggestion is seeded by (study seed, trial number), so a study goes on after a crash as if nothing had happened. A grid and
quasi-random points are our own, by search index, and need no Optuna.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search.definition import space
from search.definition.finite import finite_space
from search.definition.schema import StudyDefinition
from search.definition.weights import SharedWeight, WeightChoice
from search.sampling.generations import IN_GENERATIONS, left_of_generation, population_size
from search.sampling.observations import directions, told_values, without_extremes
from search.sampling.quasirandom import quasirandom_points
from search.sampling.unique import without_known
from storage.records import Reason, TrialRecord, TrialState, Values

optuna.logging.set_verbosity(optuna.logging.WARNING)

FIRST_COHORT = 16
NEXT_COHORTS = 8
"""TPE gets its trials in small cohorts: 16 at first, then 8, so that later ones know of earlier ones."""

NEXT_COHORTS_OF_GP = 4
"""A Gaussian process learns more from each trial, and a batch is chosen one by one as if the trials before it had gone as expected:
the more of them, the more is guessed. Each suggestion also fits the process anew while planning holds the write lock."""


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


def batch_limit(definition: StudyDefinition, told: Sequence[TrialRecord]) -> int:
    """Return how many trials the sampler should suggest at once: any number for those that do not learn."""
    chosen = definition.search.sampler
    if chosen.name in space.UNLEARNING:
        return definition.search.cohort_size or 1024
    if chosen.name in IN_GENERATIONS:
        return left_of_generation(definition, told)
    if chosen.name == "gp":  # its first trials are random draws, so they may as well be trained together
        return NEXT_COHORTS_OF_GP if told else int(chosen.config.get("n_startup_trials", 10))  # type: ignore[arg-type]
    return NEXT_COHORTS if told else FIRST_COHORT


def unavailable(definition: StudyDefinition) -> Reason | None:
    """Return why this process cannot ask the definition's sampler, or None where it can. Imports nothing."""
    if definition.search.sampler.name == "gp" and importlib.util.find_spec("torch") is None:
        text = "the sampler gp needs PyTorch, which this worker does not have: install it with `pip install steelyard[gp]`"
        return Reason("sampler_unavailable", text, "search.sampler.name")
    return None


def suggest(
    definition: StudyDefinition, told: Sequence[TrialRecord], place: DrawIndex, count: int, known: Collection[Values] = ()
) -> list[Drawn]:
    """Return `count` suggestions, from the search trials that the sampler is told of.

    Of a finite space no setting is suggested twice: neither one of those told, nor of `known`, the parameters of all that has been
    planned and not cancelled. There are fewer suggestions where all settings are known.
    """
    if definition.search.sampler.name == "grid":
        return [Drawn(space.grid_point(definition, place.index + i)) for i in range(count)]
    if definition.search.sampler.name == "qmc":
        drawn = [Drawn(point) for point in quasirandom_points(definition, place.index, count)]
    else:
        drawn = _ask(definition, told, place, count)
    finite = finite_space(definition)
    if finite is None:
        return drawn
    before = [*known, *(trial.parameters for trial in told if trial.state is not TrialState.CANCELLED)]
    chosen = without_known(finite, [one.parameters for one in drawn], before, definition.search.seed, place.number)
    return [Drawn(parameters, drawn[index].sampler_state) for index, parameters in chosen]


def _ask(definition: StudyDefinition, told: Sequence[TrialRecord], place: DrawIndex, count: int) -> list[Drawn]:
    distributions = {path: _distribution(weight) for path, weight in space.parameters(definition).items()}
    ways = directions(definition.objective)
    worth = told_values(definition.objective, told)
    if definition.search.sampler.name in MODELLING:
        worth = without_extremes(worth, ways)
    study = optuna.create_study(directions=ways, sampler=optuna.samplers.RandomSampler(seed=0))
    by_number = sorted(told, key=lambda record: record.number)
    frozen = [_frozen(record, definition, distributions, worth.get(record.number)) for record in by_number]
    study.add_trials([trial for trial in frozen if trial is not None])
    drawn = []
    for number in range(place.number, place.number + count):
        study.sampler = _sampler(definition, _seed(definition.search.seed, number), distributions)
        trial = study.ask(distributions)
        drawn.append(Drawn(_from_optuna(definition, trial.params), study.get_trials(deepcopy=False)[-1].system_attrs))
    return drawn


def _seed(study_seed: int, number: int) -> int:
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def _random(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _tpe(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    # Optuna's own default is not joint for several values. Measured on known fronts, 32 and 64 trials, 12 seeds: the median of the
    # hypervolume is as good or better jointly, and the worst seed's better throughout.
    jointly = config.get("multivariate") is not False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` was the user's own choice
        return optuna.samplers.TPESampler(seed=seed, **{**config, "multivariate": jointly})


def _gp(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `deterministic_objective`, as above
        return optuna.samplers.GPSampler(seed=seed, **config)


def _cmaes(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `lr_adapt` and the like, as above
        return _CmaEs(seed=seed, n_startup_trials=0, **config)


class _Spaced(optuna.samplers.BaseSampler):
    """A sampler that is told its space. Optuna's learn it from complete trials, at every call anew."""

    whole: Mapping[str, BaseDistribution] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self.whole)


class _CmaEs(_Spaced, optuna.samplers.CmaEsSampler):
    """CMA-ES. Optuna's draws at random until there are complete trials, so that the whole first cohort would belong to no
    generation."""

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `use_separable_cma` does nothing for one weight: no harm
            return super().sample_relative(study, trial, search_space)


class _Genetic(_Spaced, optuna.samplers.BaseGASampler):
    """NSGA rebuilt from rows. Its class names the attribute that has a trial's generation, so it may never be renamed.

    Optuna's keeps each generation's parents in the study, and goes back to the first generation where they are lost, as they are
    here. This one works them out anew, the oldest first, through the generations that are told, and draws the same however often
    it is rebuilt.
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
        drawing = _nsga3(self.config, _seed(self.lots, generation))
        drawing.generations = self.generations
        return super(Nsga3, drawing).select_parent(study, generation)


def _nsga2(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    return Nsga2(seed=seed, **{**config, "population_size": population_size("nsga2", config)})


def _nsga3(config: Mapping[str, Any], seed: int) -> Nsga3:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # all of it is, in Optuna's words
        return Nsga3(seed=seed, **{**config, "population_size": population_size("nsga3", config)})


SAMPLERS: Mapping[str, Callable[[Mapping[str, Any], int], optuna.samplers.BaseSampler]] = {
    "random": _random,
    "tpe": _tpe,
    "gp": _gp,
    "cmaes": _cmaes,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
}

MODELLING = frozenset({"tpe", "gp", "cmaes"})
"""Samplers that model how values lie, so that an extreme one spoils what they learn. NSGA only compares trials."""


def _sampler(definition: StudyDefinition, seed: int, distributions: Mapping[str, BaseDistribution]) -> optuna.samplers.BaseSampler:
    chosen = definition.search.sampler
    sampler = SAMPLERS[chosen.name](chosen.config, seed)
    if isinstance(sampler, _Spaced):
        sampler.whole = distributions
    if isinstance(sampler, Nsga3):
        sampler.lots = definition.search.seed
    return sampler


def _distribution(weight: SharedWeight) -> BaseDistribution:
    """Return the Optuna distribution of a searched weight; `values` go as their ordered index."""
    if isinstance(weight, WeightChoice):
        return IntDistribution(0, len(weight.values) - 1)
    return FloatDistribution(weight.low, weight.high, log=weight.scale == "log")


def _to_optuna(definition: StudyDefinition, drawn: Values) -> dict[str, float]:
    searched = space.parameters(definition)
    return {path: _index(searched[path], value) for path, value in drawn.items()}


def _index(weight: SharedWeight, value: float) -> float:
    return sorted(weight.values).index(value) if isinstance(weight, WeightChoice) else value


def _from_optuna(definition: StudyDefinition, params: Mapping[str, Any]) -> dict[str, float]:
    searched = space.parameters(definition)
    return {path: _value(searched[path], params[path]) for path in searched}


def _value(weight: SharedWeight, param: float) -> float:
    return sorted(weight.values)[int(param)] if isinstance(weight, WeightChoice) else float(param)


TOLD_AS = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.DIVERGED: OptunaState.PRUNED,  # told as failed, it would be forgotten and tried again nearby
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.WAITING: OptunaState.RUNNING,
}


def _frozen(
    record: TrialRecord,
    definition: StudyDefinition,
    distributions: dict[str, BaseDistribution],
    values: tuple[float, ...] | None,
) -> FrozenTrial | None:
    """Return the stored trial as Optuna's, or None for one that tells the sampler nothing (failed, cancelled).

    `values` are what it is worth; a complete trial without them is told as pruned.
    """
    state = TOLD_AS.get(record.state)
    if state is None and record.trained:  # without an objective: as one that diverged
        state = OptunaState.PRUNED
    if state is OptunaState.COMPLETE and values is None:
        state = OptunaState.PRUNED
    if state is None:
        return None
    # What a pruned trial was judged by at its last epoch; a trial that diverged has no such number.
    judged = record.state is TrialState.PRUNED and record.value is not None and math.isfinite(record.value)
    return create_trial(
        state=state,
        values=values if state is OptunaState.COMPLETE else None,
        params=_to_optuna(definition, record.parameters),
        distributions=distributions,
        system_attrs=dict(record.sampler_state),
        intermediate_values={record.epochs: float(record.value)} if judged and record.value is not None else None,
        constraints=dict(record.violations) if judged or state is OptunaState.COMPLETE else None,
    )
