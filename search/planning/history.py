"""What a study's plan is given of its trials: a bounded choice of a long search, and what was trained again on fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence

from search.definition.schema import StudyDefinition
from search.objective.fronts import front_numbers
from search.objective.order import BEST_FIRST
from search.objective.scoring import is_pareto
from search.planning.candidates import Candidate
from search.planning.meeting import Trained, Training
from search.planning.rescoring import objective_of
from storage import curves, trial_rows
from storage.competing_trials import standings, trials_numbered
from storage.database import Session
from storage.ended_trials import EndedTrials
from storage.records import Measured, Role, StudyRecord, TrialRecord, TrialState
from storage.study_rows import counted_moment

LATEST = 400
FRONT = 100


def recalled(session: Session, study: StudyRecord, definition: StudyDefinition) -> list[TrialRecord]:
    """Return the unfinished search trials, the 400 latest ended ones, and the 100 best; under `pareto` the front in place of those.

    A front of more than 100 trials is observed by the latest of them.
    """
    latest = trial_rows.search_history(session, study.id, BEST_FIRST, latest=LATEST)
    return _with_front(session, study, definition, latest)


def recalled_and_others(
    session: Session, study: StudyRecord, definition: StudyDefinition, kept: EndedTrials | None = None
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Do as `recalled`, and return all trials of other roles beside them. `kept` has trials that were read before."""
    found = trial_rows.search_history(session, study.id, BEST_FIRST, latest=LATEST, kept=kept, others=True)
    searched = [trial for trial in found if trial.role is Role.SEARCH]
    return _with_front(session, study, definition, searched), [trial for trial in found if trial.role is not Role.SEARCH]


def _with_front(session: Session, study: StudyRecord, definition: StudyDefinition, latest: list[TrialRecord]) -> list[TrialRecord]:
    if not is_pareto(definition.objective) or sum(trial.ended for trial in latest) < LATEST:
        return latest
    there = {trial.number for trial in latest}
    missing = [number for number in _front(session, study, definition)[-FRONT:] if number not in there]
    return sorted([*latest, *trials_numbered(session, study.id, missing).values()], key=lambda trial: trial.number)


def _front(session: Session, study: StudyRecord, definition: StudyDefinition) -> list[int]:
    """Return the numbers of the feasible search trials that no other beats, in order."""
    objective = objective_of(session, study.id, definition)
    paths = [entry.metric for entry in objective.metrics if entry.strategy != "store"]
    found = standings(session, study, paths, counted_moment(study))
    return front_numbers(objective, {each.number: each.values for each in found if each.role is Role.SEARCH})


def repeated(session: Session, study: StudyRecord, confirmations: Sequence[TrialRecord]) -> dict[Training, Measured]:
    """Return what complete trainings on fresh seeds measured at the epoch that counts, by the trial they repeat and the seed."""
    moment = counted_moment(study)
    complete = [trial for trial in confirmations if trial.state is TrialState.COMPLETE and trial.confirms is not None]
    found = curves.measured_of(session, [trial.id for trial in complete], [moment])
    return {(trial.confirms or 0, trial.seed): found[trial.id].get(moment, Measured()) for trial in complete}


def trained_again(session: Session, study: StudyRecord) -> Trained:
    """Return what there is of a study's confirmation, from its rows."""
    rows = trial_rows.trials_of(session, study.id, roles=[Role.CONFIRMATION])
    measured = repeated(session, study, rows)
    planned = {(trial.confirms, trial.seed): trial for trial in rows if trial.confirms is not None}
    found = trials_numbered(session, study.id, {number for number, _ in planned})
    candidates = [
        Candidate(trial, {seed: each for (confirmed, seed), each in measured.items() if confirmed == number})
        for number, trial in sorted(found.items())
    ]
    return Trained(candidates, frozenset(planned), frozenset(place for place, trial in planned.items() if not trial.ended))
