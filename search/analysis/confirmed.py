"""What was trained again on fresh seeds, from what is stored: for the API and for workers alike."""

from __future__ import annotations

from collections import defaultdict

from search.analysis.verdict import Candidate
from storage import paging, trial_rows
from storage.database import Session
from storage.records import Measured, Role, StudyRecord, TrialState
from storage.study_rows import counted_moment

MOST = 10_000


def candidates_of(session: Session, study: StudyRecord) -> list[Candidate]:
    """Return what was trained again on fresh seeds, by number, with what it measured."""
    moment = counted_moment(study)
    measured: dict[int, dict[int, Measured]] = defaultdict(dict)
    found, _ = paging.page_trials(session, study.id, state=TrialState.COMPLETE, role=Role.CONFIRMATION, page_size=MOST)
    for trial, moments in found:
        if trial.confirms is not None:
            measured[trial.confirms][trial.seed] = moments[moment]
    confirmed = [trial_rows.get_trial(session, study.id, number) for number in sorted(measured)]
    return [Candidate(trial, measured[trial.number]) for trial in confirmed]
