"""The verdict of a study's confirmation, from what is stored of its trainings on fresh seeds."""

from __future__ import annotations

from dataclasses import replace

from app.reading import definition_of
from search.analysis.confirmed import MOST, candidates_of
from search.analysis.verdict import Verdict, judge
from search.objective.scoring import is_pareto
from search.planning.compromise import scored_objective, valued
from search.planning.history import recalled
from storage import answers, paging
from storage.database import Session
from storage.records import Moment, Role, StudyRecord, StudyState, TrialState
from storage.study_rows import counted_moment


def verdict_of(session: Session, study: StudyRecord) -> Verdict | None:
    """Return the verdict of a finished study, or None where it has no confirmation."""
    definition = definition_of(study)
    if definition.search.confirmation is None or study.state is not StudyState.COMPLETE:
        return None
    candidates, objective = candidates_of(session, study), definition.objective
    if is_pareto(objective):  # by the same compromise as the plan chose its finalists
        objective = scored_objective(objective, recalled(session, study, definition))
        candidates = [replace(each, trial=valued(objective, each.trial)) for each in candidates]
    fixed_start = definition.training.initial_weights == "fixed"
    return judge(objective, candidates, answers.anchors_of(session, study.id), fixed_start=fixed_start)


def confirmed_epochs(session: Session, study: StudyRecord, number: int) -> dict[int, int]:
    """Return the epoch that counts of each confirmation of trial `number` by seed; none where the study counts the last one."""
    if counted_moment(study) is Moment.LAST:
        return {}
    found, _ = paging.page_trials(session, study.id, state=TrialState.COMPLETE, role=Role.CONFIRMATION, page_size=MOST)
    return {trial.seed: trial.best_epoch for trial, _ in found if trial.confirms == number and trial.best_epoch is not None}
