"""Resolve a study's objective from what is stored, and score by it what ended before it could be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from search.definition.schema import Objective, StudyDefinition
from search.objective.anchors import Measurement, anchors, is_resolved, resolve_anchors
from search.objective.outcomes import TrialCurve, judged, outcome
from search.objective.seed_means import rescored
from storage import curves, derived, outcomes, trial_rows
from storage.database import Session
from storage.records import AnchorRecord, Measured, Moment, Outcome, Role, SeedResult, StudyRecord, TrialRecord, TrialState, Values
from storage.seed_results import results_of
from storage.study_rows import counted_moment

SCORED = (Role.BASELINE, Role.SEARCH)
"""Roles of the trials that may win. A reference has no objective, and what a confirmation is worth is judged over all its seeds."""


def objective_of(session: Session, study_id: int, definition: StudyDefinition) -> Objective:
    """Return the study's objective with the anchors that are known; it is the definition's own where nothing is relative."""
    if is_resolved(definition.objective):
        return definition.objective
    return resolve_anchors(definition.objective, derived.anchors_of(session, study_id))


def judged_anew(session: Session, study: StudyRecord, objective: Objective) -> Objective:
    """Return another objective over what the study measures, with numbers for what is relative, as far as there are any.

    What the study did not keep is taken from its references and baselines, if it has them.
    """
    if is_resolved(objective):
        return objective
    kept = resolve_anchors(objective, derived.anchors_of(session, study.id))
    if is_resolved(kept):
        return kept
    fixed = trial_rows.trials_of(session, study.id, roles=[Role.REFERENCE, Role.BASELINE])
    return resolve_anchors(kept, anchors(kept, measurements(session, study, fixed, by_seed=False)))


def measurements(
    session: Session, study: StudyRecord, measured: Sequence[TrialRecord], *, by_seed: bool = True
) -> list[Measurement]:
    """Return what references and baselines that have ended measured on validation, at the epoch that counts.

    A reference's is its last: the study's objective, which names a best epoch, is not defined for it. A baseline that trained on
    several seeds has a measurement under each (`by_seed`), of what the study's objective reads; else its means.
    """
    trained = [trial for trial in measured if trial.trained]
    several = results_of(session, [trial.id for trial in trained if trial.by_seed]) if by_seed else {}
    return [
        Measurement(trial.role, trial.rule, seed, values)
        for trial in trained
        for seed, values in _under_each_seed(trial, _at(session, study, trial).validation, several.get(trial.id, {}))
    ]


def _under_each_seed(trial: TrialRecord, mean: Values, by_seed: Mapping[int, SeedResult]) -> Iterator[tuple[int, Values]]:
    """Yield what a trial measured under each seed at the epoch of its `mean`: the means themselves where there is nothing else."""
    if not by_seed:
        yield trial.seed, mean
    for seed, each in by_seed.items():
        best = each.measured.get(trial.best_epoch) if trial.best_epoch is not None else None
        yield seed, each.measured[max(each.measured)] if best is None else best


def _at(session: Session, study: StudyRecord, trial: TrialRecord) -> Measured:
    moment = Moment.LAST if trial.role is Role.REFERENCE else counted_moment(study)
    return curves.measured(session, trial.id).get(moment, Measured())


def score(session: Session, study: StudyRecord, definition: StudyDefinition, found: Sequence[AnchorRecord], now: datetime) -> None:
    """Keep anchors, and score by them every trial that has ended. The study is locked."""
    derived.keep_anchors(session, study.id, found)
    objective = resolve_anchors(definition.objective, found)
    ended = trial_rows.trials_of(session, study.id, roles=SCORED, states=[TrialState.COMPLETE])
    several = results_of(session, [trial.id for trial in ended if trial.by_seed])
    outcomes.rescore(
        session, study, {trial.id: _rescored(session, trial, objective, several.get(trial.id, {})) for trial in ended}, now
    )


def _rescored(session: Session, trial: TrialRecord, objective: Objective, by_seed: Mapping[int, SeedResult]) -> Outcome:
    curve = TrialCurve({each.epoch: Measured(each.train, each.validation) for each in curves.epochs_of(session, trial.id)})
    found = outcome(trial.number, curve, objective, trial.state, trial.reason, trial.epochs)
    return replace(judged(found, objective), by_seed=rescored(found, by_seed, objective))
