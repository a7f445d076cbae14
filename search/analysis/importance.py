"""How much each searched parameter matters, for the objective and for each metric: worked out by a worker when a study ends.

Beside `search.sampling.suggest` the only importer of Optuna, which brings scikit-learn here: loaded where it is called (`load`).

Of Optuna's evaluators it is PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023): how far the better half of the trials lies from all
of them along a parameter, in Pearson divergence. Measured on noisy functions of 2 and 4 parameters of which one matters most, 16 to
200 trials of random search and TPE: it names that one in 273 of 280 studies with the better half as target, in 239 with the default
tenth, which is three trials of 30. It takes milliseconds; fANOVA names it as often, but takes 0.2 s for 30 trials and 8 s for 500.
And fANOVA and the mean decrease of impurity explain variance: one cliff, such as a corner of the space where nothing is learned,
then counts for all. What separates the better half depends neither on how bad the bad ones are nor on a metric's unit.

Importances are shares: they sum to 1 even where nothing matters. So they are stated only where
a Kruskal-Wallis test distinguishes some parameter's effect from chance.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from search.analysis.sensitivity import OBJECTIVE
from search.definition.axes import Axis, axes, located
from search.definition.schema import StudyDefinition
from search.objective.scoring import is_pareto, optimized, sign
from storage.records import Role, TrialRecord, TrialState, Values

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

NUMBER = "number"

TARGET = 0.5
FEWEST = 8
CHANCE = 0.05
MOST_GROUPS = 8
GROUP = 5


@dataclass(frozen=True, slots=True)
class Importances:
    """Shares that sum to 1, by `objective` or metric path, then parameter; `untold` says why there are none for one of those."""

    trials: int
    shares: Mapping[str, Values] = field(default_factory=dict)
    untold: Mapping[str, str] = field(default_factory=dict)


def load() -> None:
    """Load what the evaluation needs, so that a study's end need not wait for it."""
    import optuna.importance  # noqa: F401
    import scipy.stats  # noqa: F401


def importances(definition: StudyDefinition, searched: Sequence[TrialRecord]) -> Importances:
    """Return how much each parameter matters for the objective's value and for each optimised metric, by complete search trials.

    Numbers that are not finite are left out. Deterministic. A Pareto study has no value: there, for the metrics alone.
    """
    complete = [trial for trial in searched if trial.role is Role.SEARCH and trial.state is TrialState.COMPLETE]
    along = axes(definition)
    at = {trial.number: place for trial, place in zip(complete, located(definition, complete), strict=True)}
    shares: dict[str, Values] = {}
    untold: dict[str, str] = {}
    known = {number: place for number, place in at.items() if place.keys() >= along.keys()}
    study: optuna.Study | None = None
    for target, values in targets(definition, complete).items():
        finite = {number: value for number, value in values.items() if math.isfinite(value) and number in known}
        if why := _why_not(along, known, finite):
            untold[target] = why
        elif len(along) == 1:
            shares[target] = dict.fromkeys(along, 1.0)  # by definition
        else:
            study = study or _study(along, known)
            shares[target] = _shares(study, along, finite)
    return Importances(len(known), shares, untold)


def targets(definition: StudyDefinition, complete: Sequence[TrialRecord] = ()) -> dict[str, dict[int, float]]:
    """Return what the parameters may matter for: numbers by trial, always to be maximised."""
    found: dict[str, dict[int, float]] = {}
    if not is_pareto(definition.objective):
        found[OBJECTIVE] = {trial.number: math.nan if trial.value is None else trial.value for trial in complete}
    for entry in optimized(definition.objective):
        found[entry.metric] = {trial.number: sign(entry) * trial.values.get(entry.metric, math.nan) for trial in complete}
    return found


def _why_not(along: Mapping[str, Axis], at: Mapping[int, Values], values: Mapping[int, float]) -> str | None:
    """Return why nothing can be said of these values, or None."""
    if len(values) < FEWEST:
        return f"{len(values)} complete search trials have a finite value; at least {FEWEST} are needed"
    if len(set(values.values())) == 1:
        return f"all {len(values)} complete search trials have the same value"
    least = min(_by_chance([at[number][path] for number in values], list(values.values())) for path in along)
    if least * len(along) >= CHANCE:
        return f"no parameter's effect can be distinguished from chance in {len(values)} trials"
    return None


def _by_chance(along: Sequence[float], values: Sequence[float]) -> float:
    """Return the probability of values that differ as much along one parameter where it does nothing: Kruskal-Wallis over groups.

    A group is the trials at one place, or where there are many places, `GROUP` or more neighbours.
    """
    from scipy.stats import kruskal

    place, value = np.asarray(along), np.asarray(values)
    distinct = np.unique(place)
    if len(distinct) <= MOST_GROUPS:
        groups = [value[place == each] for each in distinct]
    else:
        count = min(MOST_GROUPS, max(3, len(value) // GROUP))
        groups = np.array_split(value[np.argsort(place, kind="stable")], count)
    return float(kruskal(*groups).pvalue) if len(groups) > 1 else 1.0


def _study(along: Mapping[str, Axis], at: Mapping[int, Values]) -> optuna.Study:
    """Return a study in memory with trials at these places, which know their numbers; what they reached is given apart."""
    import optuna

    distributions = {path: _distribution(axis) for path, axis in along.items()}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.add_trials(
        [
            optuna.trial.create_trial(
                value=0.0,
                params={path: axis.scaled(place[path]) for path, axis in along.items()},
                distributions=distributions,
                user_attrs={NUMBER: number},
            )
            for number, place in at.items()
        ]
    )
    return study


def _shares(study: optuna.Study, along: Iterable[str], values: Mapping[int, float]) -> Values:
    """Return each parameter's share for these values, in the parameters' order; trials without one are left out."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    def cost(trial: FrozenTrial) -> float:
        return -values.get(trial.user_attrs[NUMBER], math.nan)

    # Where more than half share the worst value, the better half would be all of them.
    better = sum(value > min(values.values()) for value in values.values())
    evaluator = PedAnovaImportanceEvaluator(target_quantile=min(TARGET, (better - 0.5) / len(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it takes a target as a cost: this one is
        found = get_param_importances(study, evaluator=evaluator, target=cost)
    return {path: float(found[path]) for path in along}


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if axis.choices:
        return IntDistribution(0, len(axis.choices) - 1)
    return FloatDistribution(axis.scaled(axis.low), axis.scaled(axis.high))
