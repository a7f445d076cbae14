"""Every setting that was trained on fresh seeds, by seed, with the intervals of its means and of the winner's lead over it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from app import ranking_service
from app.refusals import Refusal
from app.schemas.common import finite_document
from app.study_views import definition_of
from search.analysis.answer import NoAnswer
from search.analysis.intervals import LEVEL, mean_half_width
from search.definition.schema import Objective
from search.export.best_weights import BASELINE
from search.objective.anchors import resolve_anchors
from search.objective.scoring import evaluate, is_pareto
from search.planning.candidates import judged_on
from search.planning.compromise import scored_objective
from search.planning.history import recalled
from search.planning.looks import ERROR, LAST_BITS, half_width
from storage import paging, study_rows
from storage.competing_trials import trials_numbered
from storage.database import Session
from storage.records import (
    ADAPTIVE_ORIGIN,
    STUDY_ENDS,
    AnchorRecord,
    Measured,
    Role,
    StudyRecord,
    StudyState,
    TrialRecord,
    TrialState,
)
from storage.study_rows import counted_moment

MOST = 10_000

Series = Mapping[int, float]
"""Numbers by seed."""


@dataclass
class RepeatedSetting:
    """A trial that was trained again on fresh seeds: what that measured, and the numbers of those trainings, by seed."""

    trial: TrialRecord
    measured: dict[int, Measured] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.trial.rule or f"trial {self.trial.number}"

    def judged_on(self, meeting: Collection[int]) -> tuple[int, ...]:
        """Return the seeds that its means are of; `meeting` are the winner's."""
        return judged_on(self.trial, self.measured, meeting)

    def values(self, objective: Objective, split: str) -> dict[int, float]:
        """Return the objective's value by seed."""
        return {seed: evaluate(objective, getattr(each, split)).value for seed, each in sorted(self.measured.items())}

    def metrics(self, split: str) -> dict[str, dict[int, float]]:
        """Return every number by path, then by seed."""
        confirmed = {seed: getattr(each, split) for seed, each in sorted(self.measured.items())}
        paths: Iterable[str] = next(iter(confirmed.values()), {})
        return {path: {seed: values[path] for seed, values in confirmed.items() if path in values} for path in paths}


def confirmation_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return all repeated settings, numbers as JSON can say them; none before the first training on a fresh seed is complete.

    Verdict, split and the winner's lead in the objective are those of the best-weights document.
    """
    settings = _repeated(session, study)
    best = _best(session, study) if settings else None
    confirmed = (best or {}).get("confirmation")
    split = confirmed["split"] if confirmed else _split(settings)
    objective = _judged_by(session, study, confirmed) if confirmed else None
    ways = {term.path: term.direction for term in study_rows.terms_of(session, study.id)}
    finalists = sum(each.trial.role is Role.SEARCH for each in settings)
    winner = next((each for each in settings if confirmed and best and each.trial.number == best["trial"]), None)
    against = {} if winner is None or confirmed is None else _against(winner, settings, confirmed, ways, max(finalists, 1))
    chosen = winner if best is None or winner is None else _recommended(best, winner, settings)
    return finite_document(
        {
            "study": study.name,
            "state": study.state.value,
            "final": study.state in STUDY_ENDS,
            "split": split,
            "level": LEVEL,
            "comparisons": max(finalists, 1),
            "call": confirmed["call"] if confirmed else None,
            "winner": None if winner is None else winner.name,
            "verdict": confirmed["verdict"] if confirmed else None,
            "directions": ways,
            "settings": {each.name: _setting(each, objective, split or "validation", confirmed) for each in settings},
            "against": against,
            "recommended": None if chosen is None else chosen.name,
            "recommended_against": against
            if chosen is None or chosen is winner or not confirmed or not objective
            else _leads_of(chosen, settings, objective, confirmed, ways) | _turned(against[chosen.name], winner),
        }
    )


def _repeated(session: Session, study: StudyRecord) -> list[RepeatedSetting]:
    """Return what was trained again, by number."""
    moment = counted_moment(study)
    found, _ = paging.page_trials(
        session, study.id, state=TrialState.COMPLETE, role=Role.CONFIRMATION, page_size=MOST, moments=[moment]
    )
    confirmed = trials_numbered(session, study.id, {trial.confirms for trial, _ in found if trial.confirms is not None})
    settings: dict[int, RepeatedSetting] = {}
    for trial, measured in found:
        if trial.confirms is not None:
            setting = settings.setdefault(trial.confirms, RepeatedSetting(confirmed[trial.confirms]))
            setting.measured[trial.seed] = measured[moment]
            setting.numbers[trial.seed] = trial.number
    return [settings[number] for number in sorted(settings)]


def _best(session: Session, study: StudyRecord) -> dict[str, Any] | None:
    """Return the best-weights document of a study whose plan came to its end, None where there is none."""
    if study.state is not StudyState.COMPLETE:
        return None
    try:
        if is_pareto(definition_of(study).objective):
            return ranking_service.best_picked(session, study, "confirmed")
        return ranking_service.best(session, study)
    except (Refusal, NoAnswer):
        return None


def _split(settings: Sequence[RepeatedSetting]) -> str | None:
    if not settings:
        return None
    return "test" if all(each.test for setting in settings for each in setting.measured.values()) else "validation"


def _judged_by(session: Session, study: StudyRecord, confirmed: Mapping[str, Any]) -> Objective:
    """Return the objective that the verdict's values are of: measured anchors in it, and for a front its compromise."""
    definition = definition_of(study)
    objective = definition.objective
    if is_pareto(objective):
        objective = scored_objective(objective, recalled(session, study, definition))
    anchors = [AnchorRecord(a["of"], a["metric"], a["value"], a["std"], tuple(a["seeds"])) for a in confirmed["anchors"]]
    return resolve_anchors(objective, anchors)


def _setting(
    setting: RepeatedSetting, objective: Objective | None, split: str, confirmed: Mapping[str, Any] | None
) -> dict[str, Any]:
    trial, metrics = setting.trial, setting.metrics(split)
    judged = setting.judged_on((confirmed or {}).get("seeds", ()))
    values = {} if objective is None or trial.role is Role.REFERENCE else setting.values(objective, split)
    named = ((confirmed or {}).get("against") or {}).get(setting.name) or {}
    found = ((confirmed or {}).get("candidates") or {}).get(setting.name) or {}
    return {
        "trial": trial.number,
        "role": trial.role.value,
        "rule": trial.rule,
        "told_as": named.get("told_as") or setting.name,
        "weights": dict(trial.weights),
        "moves": trial.origin == ADAPTIVE_ORIGIN,
        "seeds": sorted(setting.measured),
        "judged_on": list(judged),
        "trials": _named(setting.numbers),
        "searched": trial.value,
        "values": _named(values),
        "metrics": {path: _named(series) for path, series in metrics.items()},
        "value": _estimate(_on(values, judged)) if values else None,
        "means": {path: _estimate(_on(series, judged)) for path, series in metrics.items()},
        "breaks": found.get("breaks", []),
        "stands_for": found.get("stands_for", []),
    }


def _on(series: Series, seeds: Collection[int]) -> Series:
    return {seed: value for seed, value in series.items() if seed in seeds}


def _named(series: Mapping[int, Any]) -> dict[str, Any]:
    return {str(seed): value for seed, value in sorted(series.items())}


def _estimate(series: Series) -> dict[str, Any]:
    """Return mean, deviation and interval of the finite numbers."""
    finite = [value for value in series.values() if math.isfinite(value)]
    mean = fmean(finite) if finite else None
    std = stdev(finite) if len(finite) > 1 else None
    half = mean_half_width(finite) if std is not None else None
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return {"mean": mean, "std": std, "low": low, "high": high, "n": len(finite)}


def _against(
    winner: RepeatedSetting,
    settings: Sequence[RepeatedSetting],
    confirmed: Mapping[str, Any],
    ways: Mapping[str, str],
    comparisons: int,
) -> dict[str, Any]:
    """Return the winner's lead over each baseline: on seeds that chose nothing where they met, else on those that chose.

    Among finalists that were compared on the seeds that chose them, an interval is corrected for their number.
    """
    mine, split, meeting = winner.metrics(confirmed["split"]), confirmed["split"], set(confirmed["seeds"])
    found = {}
    for other in settings:
        if other.trial.role is not Role.BASELINE or other.name == winner.name:
            continue
        judged = other.judged_on(meeting)
        among = 1 if meeting.issuperset(judged) else comparisons
        value = _lead(confirmed["against"].get(other.name))
        found[other.name] = {"value": value, "metrics": _gains(mine, other.metrics(split), judged, ways, among)}
    return found


def _recommended(best: Mapping[str, Any], winner: RepeatedSetting, settings: Sequence[RepeatedSetting]) -> RepeatedSetting:
    """Return the setting to train with: a baseline where one is recommended, else the winner."""
    rule = (best.get("recommended") or {}).get("pick", "").removeprefix(BASELINE)
    return next((each for each in settings if each.trial.role is Role.BASELINE and each.name == rule), winner)


def _leads_of(
    chosen: RepeatedSetting,
    settings: Sequence[RepeatedSetting],
    objective: Objective,
    confirmed: Mapping[str, Any],
    ways: Mapping[str, str],
) -> dict[str, Any]:
    """Return the lead of a baseline that is recommended over each other baseline, on the seeds that the other is judged by.

    It may be the best of the baselines by luck, so an interval is corrected for as many as it was chosen from. That of the value
    has the error of the look that both had last, as the verdict's has: all looks together keep the level.
    """
    split, meeting = confirmed["split"], set(confirmed["seeds"])
    others = [each for each in settings if each.trial.role is Role.BASELINE and each.name != chosen.name]
    mine, values, among = chosen.metrics(split), chosen.values(objective, split), len(others) + 1
    found = {}
    for other in others:
        judged = other.judged_on(meeting)
        error = _error_of_looks(confirmed, chosen, other) / among
        value = _gain(values, _on(other.values(objective, split), judged), "maximize", error)
        found[other.name] = {"value": value, "metrics": _gains(mine, other.metrics(split), judged, ways, among)}
    return found


def _error_of_looks(confirmed: Mapping[str, Any], one: RepeatedSetting, other: RepeatedSetting) -> float:
    """Return the error of the last look that two baselines had in common; all of it where they did not both meet the winner."""
    last = {look["against"]: look for look in confirmed["looks"]}
    if one.name not in last or other.name not in last:
        return ERROR
    return float(min((last[one.name], last[other.name]), key=lambda look: look["after"])["error"])


def _turned(against: Mapping[str, Any], winner: RepeatedSetting | None) -> dict[str, Any]:
    """Return the lead of a baseline over the winner, given the winner's over it."""
    if winner is None:
        return {}

    def turned(gain: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if gain is None:
            return None
        better = gain["better"]
        ends = {"difference": -gain["difference"], "low": -gain["high"], "high": -gain["low"]}
        return {**gain, **ends, "better": None if better is None else not better}

    metrics = {path: turned(gain) for path, gain in against["metrics"].items()}
    return {winner.name: {"value": turned(against["value"]), "metrics": metrics}}


def _lead(interval: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the winner's lead in the objective, as the verdict has it; None where it has none that is finite."""
    if interval is None or any(interval[key] is None for key in ("difference", "low", "high")):
        return None
    known = {key: interval[key] for key in ("difference", "low", "high", "n")}
    return {**known, "better": _better(known["low"], known["high"], "maximize")}


def _gains(
    mine: Mapping[str, Series], theirs: Mapping[str, Series], judged: Collection[int], ways: Mapping[str, str], comparisons: int
) -> dict[str, Any]:
    """Return the paired intervals of mine minus theirs by path, on the seeds that theirs are judged by."""
    found = {
        path: _gain(mine[path], _on(series, judged), ways.get(path, "minimize"), ERROR / comparisons)
        for path, series in theirs.items()
        if path in mine
    }
    return {path: gain for path, gain in found.items() if gain is not None}


def _gain(mine: Series, theirs: Series, way: str, error: float) -> dict[str, Any] | None:
    """Return the paired t interval of mine minus theirs, wrong on either side with the probability `error`.

    None for fewer than two common seeds, or a number that is not finite.
    """
    seeds = sorted(mine.keys() & theirs.keys())
    differences = [mine[seed] - theirs[seed] for seed in seeds]
    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        return None
    mean, half = fmean(differences), half_width(stdev(differences), len(differences), error)
    if stdev(differences) <= LAST_BITS * max(max(abs(mine[seed]), abs(theirs[seed])) for seed in seeds):
        half = 0.0
    low, high = mean - half, mean + half
    return {"difference": mean, "low": low, "high": high, "n": len(differences), "better": _better(low, high, way)}


def _better(low: float, high: float, way: str) -> bool | None:
    """Return whether an interval of differences is of a gain (true) or a loss (false); None where it has 0 in it.

    None too where all differences are the same: what luck does was not seen, as the verdict has it.
    """
    if low <= 0 <= high or low == high:
        return None
    return (low > 0) == (way == "maximize")
