"""The best-weights document: what a study found, in the form that `model.compile(loss_weights=...)` takes. Pure functions.

Numbers may be NaN or infinite here; the caller writes them as its format allows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

from search.analysis.intervals import Interval
from search.analysis.verdict import Verdict
from search.definition import searched_arguments
from search.definition.schedules import AppliedSchedule
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.export.reproduction import Published, how_to_use
from search.objective.scoring import is_pareto
from search.planning.kept_confirmation import meeting_document
from search.planning.looks import LEVEL
from search.validation import normalize
from search.workloads.registry import BUILT_IN
from storage.records import ADAPTIVE_ORIGIN, STUDY_ENDS, AnchorRecord, Measured, StudyRecord, TrialRecord

FORMAT = "steelyard/best-weights"
VERSION = 1
BASELINE = "baseline:"
"""Begins the pick of a baseline; its rule follows."""

PACKAGES = ("steelyard", "keras", "tensorflow", "optuna")


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial with its numbers at the epoch that counts for its study."""

    trial: TrialRecord
    measured: Measured


@dataclass(frozen=True, slots=True)
class Winner:
    """All that the document is made of.

    `description` is what a worker published of the workload (its `outputs`, own `losses` and `code`), None where none has.
    `confirmed_epochs` has the epoch that counts by confirmation seed, where the objective counts each training's best one.
    """

    study: StudyRecord
    definition: StudyDefinition
    best: Tried
    baselines: Sequence[Tried] = ()
    description: Mapping[str, Any] | None = None
    workload_version: str | None = None  # of the workload that is described
    versions: Mapping[str, str | None] = field(default_factory=dict)
    verdict: Verdict | None = None
    picked_by: str | None = None  # where it is not the objective that picked it
    sensitivity: Mapping[str, Any] | None = None
    divisors: Mapping[str, float] = field(default_factory=dict)  # what losses were divided by, where they were
    confirmed_epochs: Mapping[int, int] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The keys of the model's output dict; where nobody has published them, those that the tasks read."""
        known = (self.description or {}).get("outputs")
        return tuple(dict.fromkeys(known if known is not None else (task.used_output for task in self.definition.tasks)))

    @property
    def changed(self) -> str | None:
        """A sentence where workers have another version of the workload's files than the trial was trained with."""
        before, now = self.best.trial.workload_version, self.workload_version
        if before is None or now is None or before == now:
            return None
        return (
            f"The files of workload {self.study.workload} have changed since trial {self.best.trial.number} was trained (version "
            f"{before[:8]}, now {now[:8]}): weights found for the old ones need not be good for the new."
        )

    @property
    def schedules(self) -> dict[str, AppliedSchedule]:
        """The schedules that the trial's weights had; a rule's weights have none."""
        trial = self.best.trial
        return SearchSpace(self.definition).schedules(trial.parameters) if trial.rule is None else {}


def best_weights(winner: Winner) -> dict[str, Any]:
    """Return the best-weights document of `winner`, in the order in which it is read."""
    study, definition, trial = winner.study, winner.definition, winner.best.trial
    shown = normalize.to_api(
        searched_arguments.substitute(definition, SearchSpace(definition).usual_arguments() | dict(trial.parameters))
    )
    schedules = winner.schedules
    return {
        "format": FORMAT,
        "version": VERSION,
        "final": study.state in STUDY_ENDS,
        "confirmed": winner.verdict is not None,
        "study": {
            "name": study.name,
            "state": study.state.value,
            "definition_sha256": study.definition_sha256,
            "problem_sha256": study.problem_sha256,
        },
        "trial": trial.number,
        "picked_by": winner.picked_by or ("objective" if winner.verdict is None else "confirmation"),
        "seeds": list(trial.seeds),
        "epoch": trial.best_epoch if definition.objective.epoch == "best" else trial.epochs,
        "weights": dict(trial.weights),
        "shared": {name: trial.parameters[name] for name in definition.weights if name in trial.parameters},
        "parameters": dict(trial.parameters),
        **({"normalized_by": dict(winner.divisors)} if winner.divisors else {}),
        "schedules": {path: schedule.document() for path, schedule in schedules.items()},
        **_with_words(
            how_to_use(definition, trial.weights, Published.of(winner.description, winner.outputs), schedules),
            SearchSpace(definition).drawn_arguments(trial.parameters),
            winner.changed,
        ),
        "terms": {"tasks": shown["tasks"], "penalties": shown["penalties"]},
        "objective": {"aggregate": definition.objective.aggregate, **_objective(trial)},
        "metrics": _metrics(winner.best.measured),
        **({"confirmation": {**_judged(winner, winner.verdict), **_epochs(winner)}} if winner.verdict else {}),
        **({"recommended": _recommended(winner, winner.verdict)} if winner.verdict else {}),
        **({"sensitivity": dict(winner.sensitivity)} if winner.sensitivity is not None else {}),
        "baselines": {tried.trial.rule or f"trial {tried.trial.number}": _baseline(tried) for tried in reversed(winner.baselines)},
        "training": shown["training"],
        "workload": workload_document(winner),
        "versions": dict(winner.versions),
    }


def _with_words(used: Mapping[str, Any], tuned: Mapping[str, float], changed: str | None) -> dict[str, Any]:
    """Return how weights are used, with a word on what compile's weights alone do not have, and on files that have changed."""
    beside = ", ".join(f"{path} = {value:.4g}" for path, value in tuned.items())
    words = [f"Tuned beside the weights, and set in `terms` and `training`: {beside}."] if tuned else []
    return {**used, "note": " ".join([used["note"], *words, *filter(None, [changed])])}


def workload_document(winner: Winner) -> dict[str, Any]:
    """Return the workload's name and options, and what a script must know of its code: see `search.training.child.describe`.

    Where no worker has published, that is the `place` of a built-in workload, None for any other. `sources` are those that the
    trial was trained with, so they are left out where workers have others by now.
    """
    workload, version = winner.definition.workload, winner.best.trial.workload_version
    code = dict((winner.description or {}).get("code") or {"place": BUILT_IN.get(workload.name)})
    if version is None or version != winner.workload_version:
        code.pop("sources", None)
    versioned = {} if version is None else {"version": version, "changed": winner.changed is not None}
    return {"name": workload.name, "options": dict(workload.options), **code, **versioned}


def _epochs(winner: Winner) -> dict[str, Any]:
    seeds = winner.verdict.seeds if winner.verdict else ()
    beside = {str(seed): winner.confirmed_epochs[seed] for seed in seeds if seed in winner.confirmed_epochs}
    return {"epochs": beside} if beside else {}


def _recommended(winner: Winner, verdict: Verdict) -> dict[str, Any]:
    """Return what to train with: how to pick it, its weights, and in what form `compile` takes them, if it does."""
    chosen = verdict.recommended
    baseline = next((tried.trial for tried in winner.baselines if tried.trial.number == chosen.trial), None)
    trial = verdict.winner.trial if chosen.rule is None or baseline is None else baseline
    tuned = "confirmed" if is_pareto(winner.definition.objective) else "objective"  # a front has no trial that its objective picks
    beside: dict[str, Any] = {"pick": tuned if chosen.rule is None else f"{BASELINE}{chosen.rule}"}
    if chosen.adaptive:
        return {**beside, "weights": None, "sentence": chosen.sentence}
    schedules = winner.schedules if chosen.rule is None else {}
    used = how_to_use(winner.definition, trial.weights, Published.of(winner.description, winner.outputs), schedules)
    compiled = {"loss_weights": used["loss_weights"]} if "loss_weights" in used else {}
    return {**beside, "weights": dict(trial.weights), **compiled, "sentence": chosen.sentence}


def _judged(winner: Winner, verdict: Verdict) -> dict[str, Any]:
    """Return what the confirmation says, its verdict with where a range may have been the limit."""
    found, ranges = confirmation_document(verdict), (winner.sensitivity or {}).get("ranges", {})
    edges = [each["edge"]["sentence"] for each in ranges.values() if each.get("edge")]
    stand_for = _stand_for([tried.trial for tried in winner.baselines], verdict.metrics.keys())
    return {
        **found,
        "verdict": " ".join([found["verdict"], *(f"{edge[:1].upper()}{edge[1:]}." for edge in edges)]),
        "candidates": {name: {**each, "stands_for": stand_for.get(name, [])} for name, each in found["candidates"].items()},
    }


def _stand_for(baselines: Sequence[TrialRecord], repeated: Collection[str]) -> dict[str, list[str]]:
    """Return the baselines that were not repeated on fresh seeds since one that was has the same fixed weights, by its rule."""
    fixed = {trial.rule: trial.weights for trial in baselines if trial.rule is not None and trial.origin != ADAPTIVE_ORIGIN}
    return {
        name: sorted(rule for rule in fixed if rule not in repeated and fixed[rule] == weights)
        for name, weights in fixed.items()
        if name in repeated
    }


def confirmation_document(verdict: Verdict) -> dict[str, Any]:
    """Return what the confirmation says: means over fresh seeds, paired intervals against the baselines, and the sentence."""
    beside = meeting_document(verdict.meeting)
    return {
        "verdict": verdict.sentence,
        "call": None if verdict.call is None else verdict.call.value,
        "story": verdict.story,
        "level": LEVEL,
        "margin": verdict.margin,
        "detectable": verdict.detectable,
        "split": verdict.split,
        "seeds": sorted(verdict.seeds),
        "chosen_on": beside["choosing"],
        "trainings": verdict.trainings,
        "most_trainings": beside["most"],
        "stop": beside["stop"],
        "looks": beside["looks"],
        "optimism": verdict.optimism,
        "constraints": [asdict(held) for held in verdict.constraints],
        "anchors": [anchor_document(anchor) for anchor in verdict.anchors],
        "candidates": {
            name: {
                "value": asdict(verdict.values[name]) if name in verdict.values else None,
                "metrics": {path: asdict(spread) for path, spread in metrics.items()},
                "breaks": list(verdict.breaks.get(name, ())),
            }
            for name, metrics in verdict.metrics.items()
        },
        "against": {interval.against: _interval(interval) for interval in verdict.intervals},
    }


def _interval(interval: Interval) -> dict[str, Any]:
    """Return an interval as the document has it; `told_as` is its public name for the baseline in words."""
    found = asdict(interval)
    words = found.pop("in_words")
    return {**found, "told_as": words, "call": interval.call.value}


def anchor_document(anchor: AnchorRecord) -> dict[str, Any]:
    """Return a measured number that trials are held against."""
    return {
        "of": anchor.of,
        "metric": anchor.path,
        "value": anchor.value,
        "std": anchor.std,
        "n": len(anchor.seeds),
        "seeds": list(anchor.seeds),
    }


def _objective(trial: TrialRecord) -> dict[str, Any]:
    return {"value": trial.value, "values": dict(trial.values), "feasible": trial.feasible, "violations": dict(trial.violations)}


def _metrics(measured: Measured) -> dict[str, Any]:
    return {"train": dict(measured.train), "validation": dict(measured.validation), "test": dict(measured.test)}


def _baseline(tried: Tried) -> dict[str, Any]:
    trial = tried.trial
    return {
        "trial": trial.number,
        "state": trial.state.value,
        "weights": dict(trial.weights),
        "moves": trial.origin == ADAPTIVE_ORIGIN,
        "objective": _objective(trial),
        "metrics": _metrics(tried.measured),
    }


@cache
def installed_versions() -> dict[str, str | None]:
    """Return the versions of the packages that a result depends on, without importing them; None for one that is not installed."""
    return {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
