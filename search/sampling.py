"""Suggestions of weight settings. The only importer of Optuna, which runs in memory, rebuilt from stored trials at every call.

Every suggestion is seeded by (study seed, trial number), so a study goes on after a crash as if nothing had happened. A grid and
quasi-random points are our own, by search index, and need no Optuna.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search import space
from search.definition import StudyDefinition
from search.quasirandom import quasirandom_points
from search.weights import SharedWeight, WeightChoice
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
class Place:
    """Where suggestions begin: the trial's number within the study, and its index among the search trials."""

    number: int
    index: int


def batch_limit(definition: StudyDefinition, told: Sequence[TrialRecord]) -> int:
    """Return how many trials the sampler should suggest at once: any number for those that do not learn."""
    chosen = definition.search.sampler
    if chosen.name in space.UNLEARNING:
        return definition.search.cohort_size or 1024
    if chosen.name == "cmaes":
        return _left_of_generation(definition, told)
    if chosen.name == "gp":  # its first trials are random draws, so they may as well be trained together
        return NEXT_COHORTS_OF_GP if told else int(chosen.config.get("n_startup_trials", 10))  # type: ignore[arg-type]
    return NEXT_COHORTS if told else FIRST_COHORT


def _left_of_generation(definition: StudyDefinition, told: Sequence[TrialRecord]) -> int:
    """Return how many trials CMA-ES's generation still lacks; 0 while one that is fully planned is being trained.

    It learns from whole generations alone: the first `popsize` results of one make the next, and any more of them are wasted. So a
    second worker waits for the generation rather than spend the budget on it: more workers do not make it learn less.
    A trial without a value (diverged, failed) is no part of its generation, and is drawn again.
    """
    size = _popsize(definition)
    latest = max((_generation(record) for record in told), default=0)
    states = [(record.state, record.value) for record in told if _generation(record) == latest]
    results = sum(state is TrialState.COMPLETE and value is not None and math.isfinite(value) for state, value in states)
    unfinished = sum(TOLD_AS.get(state) is OptunaState.RUNNING for state, _ in states)
    return size if results >= size else max(size - results - unfinished, 0)


def _popsize(definition: StudyDefinition) -> int:
    given = definition.search.sampler.config.get("popsize")
    # Hansen, "The CMA Evolution Strategy: A Tutorial", equation 48; the cmaes package does the same.
    return given if isinstance(given, int) else 4 + math.floor(3 * math.log(len(space.parameters(definition))))


def _generation(record: TrialRecord) -> int:
    """Return the generation that a trial of CMA-ES belongs to; its variants name theirs `cma:`, `sepcma:` or `cmawm:generation`."""
    return next((int(value) for name, value in record.sampler_state.items() if name.endswith(":generation")), -1)


def unavailable(definition: StudyDefinition) -> Reason | None:
    """Return why this process cannot ask the definition's sampler, or None where it can. Imports nothing."""
    if definition.search.sampler.name == "gp" and importlib.util.find_spec("torch") is None:
        text = "the sampler gp needs PyTorch, which this worker does not have: install it with `pip install steelyard[gp]`"
        return Reason("sampler_unavailable", text, "search.sampler.name")
    return None


def suggest(definition: StudyDefinition, told: Sequence[TrialRecord], place: Place, count: int) -> list[Drawn]:
    """Return `count` suggestions, from the search trials that the sampler is told of."""
    if definition.search.sampler.name == "grid":
        return [Drawn(space.grid_point(definition, place.index + i)) for i in range(count)]
    if definition.search.sampler.name == "qmc":
        return [Drawn(point) for point in quasirandom_points(definition, place.index, count)]
    return _ask(definition, told, place, count)


def _ask(definition: StudyDefinition, told: Sequence[TrialRecord], place: Place, count: int) -> list[Drawn]:
    distributions = {path: _distribution(weight) for path, weight in space.parameters(definition).items()}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    by_number = sorted(told, key=lambda record: record.number)
    study.add_trials([frozen for record in by_number if (frozen := _frozen(record, definition, distributions)) is not None])
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` was the user's own choice
        return optuna.samplers.TPESampler(seed=seed, **config)


def _gp(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `deterministic_objective`, as above
        return optuna.samplers.GPSampler(seed=seed, **config)


def _cmaes(config: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `lr_adapt` and the like, as above
        return _CmaEs(seed=seed, n_startup_trials=0, **config)


class _CmaEs(optuna.samplers.CmaEsSampler):
    """CMA-ES that is told its space. Optuna's learns it from complete trials and draws at random until there are some, so that the
    whole first cohort would belong to no generation."""

    whole: Mapping[str, BaseDistribution] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self.whole)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `use_separable_cma` does nothing for one weight: no harm
            return super().sample_relative(study, trial, search_space)


SAMPLERS: Mapping[str, Callable[[Mapping[str, Any], int], optuna.samplers.BaseSampler]] = {
    "random": _random,
    "tpe": _tpe,
    "gp": _gp,
    "cmaes": _cmaes,
}


def _sampler(definition: StudyDefinition, seed: int, distributions: Mapping[str, BaseDistribution]) -> optuna.samplers.BaseSampler:
    chosen = definition.search.sampler
    sampler = SAMPLERS[chosen.name](chosen.config, seed)
    if isinstance(sampler, _CmaEs):
        sampler.whole = distributions
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


def _frozen(record: TrialRecord, definition: StudyDefinition, distributions: dict[str, BaseDistribution]) -> FrozenTrial | None:
    """Return the stored trial as Optuna's, or None for one that tells the sampler nothing (failed, cancelled)."""
    state = TOLD_AS.get(record.state)
    if state is OptunaState.COMPLETE and not math.isfinite(record.value if record.value is not None else math.nan):
        state = OptunaState.PRUNED
    if state is None:
        return None
    # What a pruned trial was judged by at its last epoch; a trial that diverged has no such number.
    judged = record.state is TrialState.PRUNED and record.value is not None and math.isfinite(record.value)
    return create_trial(
        state=state,
        value=float(record.value) if state is OptunaState.COMPLETE and record.value is not None else None,
        params=_to_optuna(definition, record.parameters),
        distributions=distributions,
        system_attrs=dict(record.sampler_state),
        intermediate_values={record.epochs: float(record.value)} if judged and record.value is not None else None,
        constraints=dict(record.violations) if judged or state is OptunaState.COMPLETE else None,
    )
