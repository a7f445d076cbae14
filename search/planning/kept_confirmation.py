"""Keep how a confirmation goes beside its rows: who was chosen, every look with its interval, and why it stopped.

All of it follows from the trials' rows (`search.planning.meeting.meet`), but for the finalists, which a model chose: numbers of a
model may differ in their last digits between machines, so the choice is made once for a search.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from search.planning.meeting import Meeting
from storage import derived
from storage.database import Session
from storage.records import StudyRecord, TrialRecord
from storage.study_rows import lock_study

KIND, FINALISTS = "confirmation", "finalists"


def searched_until(searched: Sequence[TrialRecord]) -> int:
    """Return the place of the last search trial's end among the study's outcomes; 0 before any has ended."""
    return max((trial.sequence for trial in searched if trial.sequence is not None), default=0)


def kept_finalists(session: Session, study_id: int, searched: Sequence[TrialRecord]) -> tuple[int, ...]:
    """Return the finalists that were chosen for this very search, the best first; none where the choice is still to be made."""
    until, found = searched_until(searched), derived.find_analyses(session, study_id, [KIND, FINALISTS])
    for kept in (found.get(KIND), found.get(FINALISTS)):
        if kept is not None and kept.document["until"] == until:
            return tuple(kept.document["finalists"])
    return ()


def keep_finalists(session: Session, study_id: int, finalists: Sequence[int], until: int, now: datetime) -> None:
    """Keep the choice that was made when the search had come to its outcome `until`; where it went on since, it is made anew."""
    study = lock_study(session, study_id)
    derived.keep_analysis(session, study.id, FINALISTS, {"until": until, "finalists": list(finalists)}, study.sequence, now)


def keep(session: Session, study: StudyRecord, found: Meeting, finalists: Sequence[int], until: int, now: datetime) -> None:
    """Keep the confirmation as far as it is; where that is known already, nothing is written. The study is locked."""
    document = {"until": until, "finalists": list(finalists), **meeting_document(found)}
    kept = derived.find_analysis(session, study.id, KIND)
    if kept is None or kept.document != json.loads(json.dumps(document)):
        derived.keep_analysis(session, study.id, KIND, document, study.sequence, now)


def meeting_document(found: Meeting) -> dict[str, Any]:
    """Return a confirmation as a document: the design's seeds, the winner and its rivals, every look, and the stop."""
    return {
        "choosing": list(found.design.choosing),
        "meeting": list(found.design.meeting),
        "most": found.design.most,
        "winner": None if found.winner is None else found.winner.number,
        "rivals": [rival.name for rival in found.rivals],
        "split": found.split,
        "looks": [_look(asdict(look)) for look in found.looks],
        "stop": None if found.stop is None else found.stop.value,
    }


def _look(look: Mapping[str, Any]) -> dict[str, Any]:
    return {**look, "call": look["call"].value}
