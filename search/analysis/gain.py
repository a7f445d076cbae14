"""What a search is still expected to gain: worked out by a worker between cohorts, for `search.stop.no_gain`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search.definition.schema import StudyDefinition
from search.logs import logger
from search.objective.order import BEST_FIRST
from search.planning.initial_values import divisors
from search.sampling.beliefs import beliefs
from storage import derived, study_rows, trial_rows
from storage.database import Session
from storage.records import TRIAL_ENDS, AnchorRecord, Role, StudyRecord, TrialRecord, TrialState, Values

KIND = "gain"
LATEST = 1000
GAIN, ENDED = "gain", "ended"

log = logger("steelyard.worker")


@dataclass(frozen=True, slots=True)
class Searched:
    """The latest search trials and the baselines of a study; `ended` counts all search trials that have ended."""

    study: StudyRecord
    definition: StudyDefinition
    trials: Sequence[TrialRecord]
    baselines: Sequence[TrialRecord]
    divisors: Values
    anchors: Sequence[AnchorRecord]
    ended: int


def find(session: Session, study: StudyRecord, counts: Mapping[tuple[Role, TrialState], int]) -> float | None:
    """Return the expected gain after all search trials that have ended, infinite where it is not known; None if not worked out."""
    kept = derived.find_analysis(session, study.id, KIND)
    if kept is None or kept.document[ENDED] != _ended(counts):
        return None
    gain = kept.document[GAIN]
    return math.inf if gain is None else float(gain)


def _ended(counts: Mapping[tuple[Role, TrialState], int]) -> int:
    return sum(count for (role, state), count in counts.items() if role is Role.SEARCH and state in TRIAL_ENDS)


def read(session: Session, study: StudyRecord, definition: StudyDefinition) -> Searched:
    """Read what is worked from."""
    return Searched(
        study=study,
        definition=definition,
        trials=trial_rows.search_history(session, study.id, BEST_FIRST, best=0, latest=LATEST),
        baselines=trial_rows.trials_of(session, study.id, roles=[Role.BASELINE]),
        divisors=divisors(definition, derived.initial_values(session, study.id)),
        anchors=derived.anchors_of(session, study.id),
        ended=_ended(trial_rows.count_by_role(session, study.id)),
    )


def worked_out(searched: Searched) -> dict[str, Any]:
    """Return the expected gain, as it is kept. A failure is logged, and no gain known: the search goes on."""
    try:
        believed = beliefs(searched.definition, searched.trials, (), searched.divisors, searched.baselines, searched.anchors)
        gain = math.nan if believed is None else believed.expected_gain
    except Exception:  # whatever it is
        log.exception("expected gain failed", study=searched.study.name)
        gain = math.nan
    return {GAIN: gain if math.isfinite(gain) else None, ENDED: searched.ended}


def keep(session: Session, searched: Searched, document: Mapping[str, Any], now: datetime) -> None:
    """Keep what was worked out; where more search trials have ended meanwhile, it is out of date at once, and worked out anew."""
    study = study_rows.lock_study(session, searched.study.id)
    derived.keep_analysis(session, study.id, KIND, document, study.sequence, now)
