"""Suggestions of weight settings. The only importer of Optuna, which runs in memory, rebuilt from stored trials at every call.

Every suggestion is seeded by (study seed, trial number), so a study goes on after a crash as if nothing had happened. A grid is our
own enumeration and needs no Optuna.
"""

from __future__ import annotations

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
from search.weights import SharedWeight, WeightChoice
from storage.records import TrialRecord, TrialState, Values

optuna.logging.set_verbosity(optuna.logging.WARNING)

FIRST_COHORT = 16
NEXT_COHORTS = 8
"""A sampler that learns gets its trials in small cohorts: 16 at first, then 8, so that later ones know of earlier ones."""


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
    if definition.search.sampler.name in ("grid", "random"):
        return definition.search.cohort_size or 1024
    return NEXT_COHORTS if told else FIRST_COHORT


def suggest(definition: StudyDefinition, told: Sequence[TrialRecord], place: Place, count: int) -> list[Drawn]:
    """Return `count` suggestions, from the search trials that the sampler is told of."""
    if definition.search.sampler.name == "grid":
        return [Drawn(space.grid_point(definition, place.index + i)) for i in range(count)]
    return _ask(definition, told, place, count)


def _ask(definition: StudyDefinition, told: Sequence[TrialRecord], place: Place, count: int) -> list[Drawn]:
    distributions = {path: _distribution(weight) for path, weight in space.parameters(definition).items()}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    by_number = sorted(told, key=lambda record: record.number)
    study.add_trials([frozen for record in by_number if (frozen := _frozen(record, definition, distributions)) is not None])
    drawn = []
    for number in range(place.number, place.number + count):
        study.sampler = _sampler(definition, seed=_seed(definition.search.seed, number))
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


SAMPLERS: Mapping[str, Callable[[Mapping[str, Any], int], optuna.samplers.BaseSampler]] = {"random": _random, "tpe": _tpe}


def _sampler(definition: StudyDefinition, seed: int) -> optuna.samplers.BaseSampler:
    chosen = definition.search.sampler
    return SAMPLERS[chosen.name](chosen.config, seed)


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
    return create_trial(
        state=state,
        value=float(record.value) if state is OptunaState.COMPLETE and record.value is not None else None,
        params=_to_optuna(definition, record.parameters),
        distributions=distributions,
        system_attrs=dict(record.sampler_state),
        constraints=dict(record.violations) if state is OptunaState.COMPLETE else None,
    )
