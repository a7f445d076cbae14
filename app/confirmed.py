"""The verdict of a study's confirmation, from what is stored of its trainings on fresh seeds."""

from __future__ import annotations

from dataclasses import replace

from app.reading import definition_of
from search.analysis.verdict import Verdict, judge
from search.objective.scoring import is_pareto
from search.planning.candidates import Candidate
from search.planning.compromise import scored_objective, valued
from search.planning.confirmation import standing
from search.planning.history import recalled, repeated
from search.planning.meeting import Trained
from storage import answers, trial_rows
from storage.database import Session
from storage.records import Moment, Role, StudyRecord, StudyState, TrialState
from storage.standings import trials_numbered
from storage.study_rows import counted_moment


def verdict_of(session: Session, study: StudyRecord) -> Verdict | None:
    """Return the verdict of a finished study, or None where it has no confirmation."""
    definition = definition_of(study)
    if definition.search.confirmation is None or study.state is not StudyState.COMPLETE:
        return None
    trained, objective = trained_again(session, study), definition.objective
    if is_pareto(objective):  # by the same compromise as the plan chose its finalists
        objective = scored_objective(objective, recalled(session, study, definition))
        valued_ones = [replace(each, trial=valued(objective, each.trial)) for each in trained.candidates]
        trained = replace(trained, candidates=valued_ones)
    meeting = standing(definition, objective, trained, answers.anchors_of(session, study.id))
    return judge(objective, meeting, trained, fixed_start=definition.training.initial_weights == "fixed")


def trained_again(session: Session, study: StudyRecord) -> Trained:
    """Return what was trained again on fresh seeds: the candidates by number, and all trainings that were planned."""
    rows = trial_rows.trials_of(session, study.id, roles=[Role.CONFIRMATION])
    measured = repeated(session, study, rows)
    planned = {(trial.confirms, trial.seed): trial for trial in rows if trial.confirms is not None}
    found = trials_numbered(session, study.id, {number for number, _ in planned})
    candidates = [
        Candidate(found[number], {seed: each for (trial, seed), each in measured.items() if trial == number})
        for number in sorted(found)
    ]
    return Trained(candidates, frozenset(planned), frozenset(place for place, trial in planned.items() if not trial.ended))


def candidates_of(session: Session, study: StudyRecord) -> list[Candidate]:
    """Return the candidates that were trained again to the end, by number, with what they measured."""
    return [each for each in trained_again(session, study).candidates if each.measured]


def confirmed_epochs(session: Session, study: StudyRecord, number: int) -> dict[int, int]:
    """Return the epoch that counts of each confirmation of trial `number` by seed; none where the study counts the last one."""
    if counted_moment(study) is Moment.LAST:
        return {}
    found = trial_rows.trials_of(session, study.id, roles=[Role.CONFIRMATION], states=[TrialState.COMPLETE])
    return {trial.seed: trial.best_epoch for trial in found if trial.confirms == number and trial.best_epoch is not None}
