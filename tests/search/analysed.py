"""A study's end, as a worker brings it about: what matters is worked out and kept."""

from __future__ import annotations

from datetime import datetime

from search.analysis import matters
from search.validation import normalize
from storage import studies, study_rows
from storage.database import Session
from storage.records import StudyState


def complete(session: Session, name: str, now: datetime) -> None:
    """Work out what matters in a study, and end it."""
    study = study_rows.lock_study(session, study_rows.get_study(session, name).id)
    definition = normalize.from_storage(study.definition, trials=study.trial_budget, name=name)
    material = matters.read(session, study, definition)
    matters.keep(session, material, matters.worked_out(material), now)
    studies.end_study(session, study.id, StudyState.COMPLETE, None, now)
