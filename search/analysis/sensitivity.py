"""What matters in a study, as JSON has it: what a worker kept, and the rules behind it. Pure functions; no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.definition.axes import axes
from search.definition.schema import StudyDefinition
from search.objective.order import winners
from search.objective.scoring import is_pareto, optimized
from storage.records import Role, TrialRecord

KIND = "sensitivity"
"""What is worked out is kept as this."""

MOST = 1000
"""How many of the latest search trials are looked at."""

OBJECTIVE = "objective"
LEVEL = 0.95

NO_WINNER = "no feasible search trial has a finite value"
NO_NOISE = "how much the value differs from seed to seed is not known: give the search a confirmation"
NO_SPREAD = "the value does not differ from seed to seed: every setting was as good on one seed as on another"
FRONT = "the objective is a front: there is no one best"
EARLIER = "an earlier version worked out what matters; it knew no ranges of this kind"

IMPORTANCE = (
    "importance: how far the better half of the complete search trials lies from all of them along each parameter (PED-ANOVA), as "
    "shares that sum to 1; null where no parameter's effect can be distinguished from chance (Kruskal-Wallis, 5 %)"
)
MODEL = (
    "model: a Gaussian process over the searched parameters, of all trainings, with each seed's offset and luck as effects and its "
    "hyperparameters averaged by marginal likelihood; a parameter's curve has the others tuned to each of its values"
)
AS_GOOD = (
    "as good: costs at most noise.margin, the standard deviation of one training over seeds, against the winner, and keeps the "
    "constraints as the winner does; worse: costs more, or breaks a constraint"
)
RANGE = (
    "range: the largest set of values around the winner's that are as good in 95 % of the model's curves, all of them at once; "
    "worse likewise; of the rest there are not enough trials to tell"
)
ONLY = "with one parameter, all importance is its own, by definition; a value is worse only from where something was trained"
OTHERS = "with several parameters, a trial stands for its value of each, whatever the others are there: change one, tune the others"


def winner_of(searched: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the best search trial, which ranges are stated around; None where none is feasible and has a finite value."""
    return next(iter(winners(trial for trial in searched if trial.role is Role.SEARCH)), None)


def importance_document(definition: StudyDefinition, analysis: Mapping[str, Any]) -> dict[str, Any]:
    """Return the importances by parameter from what a worker kept (`importance.Importances`); None for what is left out."""
    shares, untold = analysis["shares"], dict(analysis["untold"])
    metrics = [entry.metric for entry in optimized(definition.objective)]
    if is_pareto(definition.objective):
        untold[OBJECTIVE] = "the objective is a front: it has no value"
    compared = {
        path: {
            OBJECTIVE: shares.get(OBJECTIVE, {}).get(path),
            "metrics": {metric: shares.get(metric, {}).get(path) for metric in metrics},
        }
        for path in axes(definition)
    }
    return {"trials": analysis["trials"], "importance": compared, "untold": untold}


def noise_document(delta: float, of: str, best: float) -> dict[str, Any]:
    """Return the noise as JSON has it: `delta` is the standard deviation of one training, `best` what the winner is worth."""
    return {"std": delta, "of": of, "level": LEVEL, "best": best, "margin": delta, "least": best - delta, "why": None}


def no_noise(why: str) -> dict[str, Any]:
    """Return why there are no ranges in the form of `noise_document`."""
    return {"std": None, "of": None, "level": LEVEL, "best": None, "margin": None, "least": None, "why": why}


def too_few(fewest: int) -> str:
    return f"fewer than {fewest} search trials have a value"


def rules(definition: StudyDefinition) -> list[str]:
    """Return how importances and ranges are defined, one sentence each."""
    return [IMPORTANCE, MODEL, AS_GOOD, RANGE, OTHERS if len(axes(definition)) > 1 else ONLY]
