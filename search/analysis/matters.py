"""What matters in a study: importances, ranges and their noise, worked out by a worker once the plan has come to its end.

Reading and keeping are short transactions; the work between them holds no lock. What is kept says after how many outcomes it was
worked out, so that the study ends only with what all of them say.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from search.analysis import importance, noise, sensitivity
from search.analysis.ranges import ranges, ranges_document
from search.analysis.verdict import judge
from search.definition.schema import StudyDefinition
from search.logs import logger
from search.objective.anchors import resolve_anchors
from search.objective.order import BEST_FIRST
from search.objective.scoring import is_pareto, slacks
from search.planning.candidates import Candidate
from search.planning.confirmation import standing
from search.planning.history import trained_again
from search.planning.initial_values import divisors
from search.planning.looks import LAST_BITS, luck
from search.planning.meeting import Trained
from search.sampling.beliefs import FEWEST, Beliefs, SeedTraining, beliefs
from search.sampling.places import Places
from storage import derived, study_rows, trial_rows
from storage.database import Session
from storage.records import AnchorRecord, Role, StudyRecord, TrialRecord, Values

Worked = TypeVar("Worked")
log = logger("steelyard.worker")


@dataclass(frozen=True, slots=True)
class Material:
    """What is worked from: search trials and baselines as the search judged them, and what was trained on fresh seeds.

    `searched` are the latest search trials, `best` the one with the greatest value, which may be older. `planned` has the (trial,
    seed) of all trainings on fresh seeds, those that failed too.
    """

    study: StudyRecord
    definition: StudyDefinition
    searched: Sequence[TrialRecord]
    baselines: Sequence[TrialRecord]
    candidates: Sequence[Candidate]
    anchors: Sequence[AnchorRecord]
    divisors: Values
    best: TrialRecord | None
    planned: Collection[tuple[int, int]] = ()


def is_kept(session: Session, study: StudyRecord) -> bool:
    """Return whether what matters is worked out from all outcomes that the study has."""
    found = derived.find_analysis(session, study.id, sensitivity.KIND)
    return found is not None and found.sequence == study.sequence and "ranges" in found.document


def read(session: Session, study: StudyRecord, definition: StudyDefinition) -> Material:
    """Read what is worked from."""
    # Not the best: chosen by their value, they would show dependences that there are not.
    searched = trial_rows.search_history(session, study.id, BEST_FIRST, best=0, latest=sensitivity.MOST)
    trained = Trained((), ()) if definition.search.confirmation is None else trained_again(session, study)
    return Material(
        study=study,
        definition=definition,
        searched=searched,
        baselines=trial_rows.trials_of(session, study.id, roles=[Role.BASELINE]),
        candidates=[each for each in trained.candidates if each.measured],
        planned=trained.planned,
        anchors=derived.anchors_of(session, study.id),
        divisors=divisors(definition, derived.initial_values(session, study.id)),
        best=sensitivity.winner_of(trial_rows.search_history(session, study.id, BEST_FIRST, best=1, latest=0)),
    )


def keep(session: Session, material: Material, document: Mapping[str, Any], now: datetime) -> None:
    """Keep what was worked out, unless the study has got further meanwhile: then it is worked out anew."""
    study = study_rows.lock_study(session, material.study.id)
    if study.sequence == material.study.sequence:
        derived.keep_analysis(session, study.id, sensitivity.KIND, document, study.sequence, now)


def worked_out(material: Material) -> dict[str, Any]:
    """Return what matters, as it is kept. A failure is logged, and kept as the reason for no result: the study has its result."""
    found = _guarded(material, "importances", lambda: _importances(material))
    if isinstance(found, str):
        found = importance.Importances(0, untold=dict.fromkeys(importance.targets(material.definition), found))
    ranges = _guarded(material, "ranges", lambda: _storable(_ranges(material)))
    return {**asdict(found), **(_without(ranges) if isinstance(ranges, str) else ranges)}


def _importances(material: Material) -> importance.Importances:
    """Return the importances, checked to have only what JSON can say."""
    found = importance.importances(material.definition, material.searched)
    _storable(asdict(found))
    return found


def _guarded(material: Material, what: str, work: Callable[[], Worked]) -> Worked | str:
    try:
        return work()
    except Exception as error:  # whatever it is
        log.exception(f"{what} failed", study=material.study.name)
        return f"the evaluation failed: {type(error).__name__}: {error}"


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document, checked to have only what JSON can say. Raises ValueError for a number that is not finite."""
    json.dumps(document, allow_nan=False)
    return document


def _ranges(material: Material) -> dict[str, Any]:
    """Return the winner, the ranges around it and the noise that they are measured by, or why there are none."""
    if is_pareto(material.definition.objective):
        return _without(sensitivity.FRONT)
    winner = _winner(material)
    if winner is None:
        return _without(sensitivity.NO_WINNER)
    trainings = list(_trainings(material))
    believed = beliefs(
        material.definition,
        _with(winner, material.searched),
        trainings,
        material.divisors,
        material.baselines,
        material.anchors,
    )
    if believed is None:
        return _without(sensitivity.too_few(FEWEST), winner)
    spread = _spread(material, believed, winner)
    if spread is None:
        return _without(sensitivity.NO_NOISE, winner)
    if not _moves(spread[0], winner, _groups(trainings, believed.tried)):
        return _without(sensitivity.NO_SPREAD, winner)
    mean = float(believed.surrogate.means(believed.places.of([winner]))[0])
    return {
        "trial": winner.number,
        "ranges": ranges_document(ranges(believed, winner, spread[0], material.divisors)),
        "noise": sensitivity.noise_document(*spread, mean),
    }


def _spread(material: Material, believed: Beliefs, winner: TrialRecord) -> tuple[float, str] | None:
    """Return the standard deviation of one training and what it was measured on: fresh seeds, else the anchors' trainings."""
    if (measured := believed.surrogate.measured) is not None:
        settings = sum(len(each.measured) > 1 and not each.is_reference for each in material.candidates)
        if not settings:
            return measured.total, f"search trials on {material.definition.search.seeds} seeds each"
        return measured.total, f"{settings} setting{'s' if settings > 1 else ''} on fresh seeds"
    objective = resolve_anchors(material.definition.objective, material.anchors)
    found = noise.propagated(objective, winner.values, material.anchors)
    return None if found is None else (found.std, found.of)


def _groups(trainings: Sequence[SeedTraining], tried: Sequence[TrialRecord]) -> list[list[float]]:
    """Return the values of each setting that was trained on several seeds: on fresh ones, else in the search."""
    fresh = defaultdict[int, list[float]](list)
    for each in trainings:
        fresh[each.number].append(each.value)
    several = [group for group in fresh.values() if len(group) > 1]
    searched = ([value for value in trial.by_seed.values() if value is not None] for trial in tried)
    return several or [group for group in searched if len(group) > 1]


def _moves(spread: float, winner: TrialRecord, groups: Sequence[Sequence[float]]) -> bool:
    """Return whether seeds change more than last bits: of the winner's value, and of the values of some repeated setting.

    Other settings do not count: one that exploded has a value beside which every spread is small.
    """
    if not spread > LAST_BITS * abs(winner.value or 0.0):
        return False
    return not groups or any(luck({"": group}) for group in groups)


def _winner(material: Material) -> TrialRecord | None:
    """Return the trial that the study's answer names: what fresh seeds say, else what the search found."""
    objective = material.definition.objective
    measured = {(each.number, seed) for each in material.candidates for seed in each.measured}
    trained = Trained(material.candidates, frozenset({*material.planned, *measured}))
    verdict = judge(objective, standing(material.definition, objective, trained, material.anchors), trained)
    return material.best if verdict is None else verdict.winner.trial


def _without(why: str, winner: TrialRecord | None = None) -> dict[str, Any]:
    return {"trial": None if winner is None else winner.number, "ranges": {}, "noise": sensitivity.no_noise(why)}


def _with(winner: TrialRecord, searched: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the search trials, the winner among them however old it is."""
    return [*searched, *([winner] if all(trial.number != winner.number for trial in searched) else [])]


def _trainings(material: Material) -> Iterator[SeedTraining]:
    """Yield the trainings on fresh seeds of finalists and baselines, judged on validation as the search was.

    One that lacks a number of the objective says nothing.
    """
    objective = resolve_anchors(material.definition.objective, material.anchors)
    places = Places(material.definition)
    for candidate in material.candidates:
        if candidate.is_reference:
            continue
        trial = candidate.trial
        place = places.baseline(trial, material.divisors) if candidate.is_baseline else [float(at) for at in places.of([trial])[0]]
        at = None if place is None else tuple(place)
        for seed, value in candidate.values(objective, "validation").items():
            bounds = slacks(objective, candidate.measured[seed].validation)
            if all(map(math.isfinite, (value, *bounds))):
                yield SeedTraining(trial.number, at, seed, value, bounds)
