"""Every setting that was trained on fresh seeds, by seed, with the intervals of its means and of the winner's lead over it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from app.confirmed import candidates_of, verdict_of
from app.reading import definition_of
from app.results import finite_document
from search.analysis.verdict import LEVEL, Candidate, Verdict, half_width, spread
from search.definition.schema import Objective
from search.objective.anchors import resolved
from search.objective.scoring import is_pareto
from search.planning.compromise import scored_objective
from search.planning.history import recalled
from storage import study_rows, trial_rows
from storage.database import Session
from storage.records import STUDY_ENDS, Role, StudyRecord, TrialState

Series = Mapping[int, float]
"""Numbers by seed."""


def confirmation_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return all repeated settings, numbers as JSON can say them; none before the first training on a fresh seed is complete."""
    candidates, verdict = candidates_of(session, study), verdict_of(session, study)
    finalists = [each for each in candidates if not each.is_baseline and not each.is_reference]
    split = verdict.split if verdict is not None else _split(candidates)
    objective = None if verdict is None else _judged_by(session, study, verdict)
    numbers = _trainings(session, study)
    ways = {term.path: term.direction for term in study_rows.terms_of(session, study.id)}
    comparisons = max(len(finalists), 1)
    return finite_document(
        {
            "study": study.name,
            "state": study.state.value,
            "final": study.state in STUDY_ENDS,
            "split": split,
            "level": LEVEL,
            "comparisons": comparisons,
            "winner": None if verdict is None else verdict.winner.name,
            "verdict": None if verdict is None else verdict.sentence,
            "directions": ways,
            "settings": {each.name: _setting(each, objective, split or "validation", numbers) for each in candidates},
            "against": {} if verdict is None or objective is None else _against(verdict, candidates, objective, ways, comparisons),
        }
    )


def _split(candidates: list[Candidate]) -> str | None:
    if not candidates:
        return None
    return "test" if all(each.test for candidate in candidates for each in candidate.measured.values()) else "validation"


def _judged_by(session: Session, study: StudyRecord, verdict: Verdict) -> Objective:
    """Return the objective that the verdict's values are of: measured anchors in it, and for a front its compromise."""
    definition = definition_of(study)
    objective = definition.objective
    if is_pareto(objective):
        objective = scored_objective(objective, recalled(session, study, definition))
    return resolved(objective, verdict.anchors)


def _trainings(session: Session, study: StudyRecord) -> dict[tuple[int, int], int]:
    """Return the number of the training by the trial it repeats and its seed."""
    found = trial_rows.trials_of(session, study.id, roles=[Role.CONFIRMATION], states=[TrialState.COMPLETE])
    return {(trial.confirms, trial.seed): trial.number for trial in found if trial.confirms is not None}


def _setting(
    candidate: Candidate, objective: Objective | None, split: str, numbers: Mapping[tuple[int, int], int]
) -> dict[str, Any]:
    trial, seeds = candidate.trial, sorted(candidate.measured)
    values = {} if objective is None or candidate.is_reference else candidate.values(objective, split)
    metrics = _by_seed(candidate, split)
    return {
        "trial": trial.number,
        "role": trial.role.value,
        "rule": trial.rule,
        "told_as": candidate.told_as,
        "weights": dict(trial.weights),
        "seeds": seeds,
        "trials": {str(seed): numbers[trial.number, seed] for seed in seeds},
        "searched": trial.value,
        "values": _named(values),
        "metrics": {path: _named(series) for path, series in metrics.items()},
        "value": _estimate(values) if values else None,
        "means": {path: _estimate(series) for path, series in metrics.items()},
    }


def _by_seed(candidate: Candidate, split: str) -> dict[str, dict[int, float]]:
    """Return each number that every seed has, by path, then by seed."""
    told = {seed: getattr(measured, split) for seed, measured in sorted(candidate.measured.items())}
    paths: Iterable[str] = next(iter(told.values()), {})
    return {path: {seed: values[path] for seed, values in told.items() if path in values} for path in paths}


def _named(series: Series) -> dict[str, float]:
    return {str(seed): value for seed, value in sorted(series.items())}


def _estimate(series: Series) -> dict[str, Any]:
    """Return mean, deviation and interval of the finite numbers."""
    finite = [value for value in series.values() if math.isfinite(value)]
    found = spread(finite)
    half = half_width(finite, 1) if len(finite) > 1 else math.nan
    known = {"mean": found.mean, "std": found.std, "low": found.mean - half, "high": found.mean + half}
    return {**{name: value if math.isfinite(value) else None for name, value in known.items()}, "n": found.n}


def _against(
    verdict: Verdict, candidates: list[Candidate], objective: Objective, ways: Mapping[str, str], comparisons: int
) -> dict[str, Any]:
    winner = verdict.winner
    mine = _by_seed(winner, verdict.split)
    return {
        other.name: {
            "value": _gain(
                winner.values(objective, verdict.split), other.values(objective, verdict.split), "maximize", comparisons
            ),
            "metrics": {
                path: gain
                for path, series in _by_seed(other, verdict.split).items()
                if path in mine and (gain := _gain(mine[path], series, ways.get(path, "minimize"), comparisons)) is not None
            },
        }
        for other in candidates
        if other.is_baseline and other.name != winner.name
    }


def _gain(mine: Series, theirs: Series, way: str, comparisons: int) -> dict[str, Any] | None:
    """Return the paired t interval of mine minus theirs; None for fewer than two common seeds, or a number that is not finite."""
    differences = [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]
    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        return None
    mean, half = fmean(differences), half_width(differences, comparisons)
    low, high = mean - half, mean + half
    above, below = (True, False) if way == "maximize" else (False, True)
    better = above if low > 0 else below if high < 0 else None
    return {"difference": mean, "low": low, "high": high, "n": len(differences), "better": better}
