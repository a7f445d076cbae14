"""Draw a sample of a study's trials that is small enough to plot: the best and the front are always in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import groupby
from threading import Lock
from typing import Any

from app import ranking_service
from app.columns import Columns, column_values
from app.etag import TaggedContent
from app.results import counted
from app.schemas.points import ImprovementBody, PhaseBody, Points
from app.study_views import definition_of
from search.definition.space import SearchSpace
from search.objective.scoring import optimized
from storage import events, study_rows
from storage.competing_trials import trials_numbered
from storage.curves import measured_of
from storage.database import Session
from storage.outlines import TrialOutline, outlines, trial_count
from storage.records import Role, StudyRecord, TrialRecord
from storage.study_rows import counted_moment

SHOWN = ("number", "role", "rule", "state", "seed", "objective", "feasible", "ended_at")
MOST_KEPT = 16
GROUPS = ("weights.", "parameters.", "validation.")


class PointsCache:
    """Keeps what was drawn lately: it changes with a study's latest event, or when trials are planned."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], TaggedContent] = OrderedDict()
        self._lock = Lock()

    def points(self, session: Session, study: StudyRecord, most: int) -> TaggedContent:
        """Return what `points` does, as it is sent."""
        latest = events.last_events(session, study.id, 1)
        key = (study.id, latest[-1].id if latest else 0, trial_count(session, study.id), most)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = TaggedContent.of(points(session, study, most))
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found


def points(session: Session, study: StudyRecord, most: int) -> Points:
    """Return up to `most` trials as columns; baselines, bests and the front are always kept, even beyond `most`."""
    known = outlines(session, study.id)
    drawn = [each for each in known if each.role != Role.CONFIRMATION]
    front = set(ranking_service.front_numbers(session, study))
    improved = best_so_far(known)
    always = {each.number for each in drawn if each.role != Role.SEARCH} | front | {each.number for each in improved}
    numbers = sample([each.number for each in drawn], always, most)
    trials = trials_numbered(session, study.id, numbers)
    columns, not_finite = _columns(session, study, [trials[number] for number in numbers], front)
    definition, terms = definition_of(study), study_rows.terms_of(session, study.id)
    first = [entry.metric for entry in definition.objective.metrics]
    ways = {term.path: term.direction for term in terms if term.kind == "metric" or term.path in first}
    return Points(
        study=study.name,
        state=study.state.value,
        trials=len(drawn),
        sampled=len(numbers) < len(drawn),
        metrics={path: ways[path] for path in dict.fromkeys([*first, *ways]) if path in ways},
        optimized=[entry.metric for entry in optimized(definition.objective)],
        parameters=list(SearchSpace(definition).parameters),
        columns=columns,
        not_finite=not_finite,
        best_so_far=improved,
        phases=list(_phases(known)),
    )


def sample(numbers: Sequence[int], always: Iterable[int], most: int) -> list[int]:
    """Return about `most` of the numbers, evenly spaced, with all of `always` that are among them."""
    if len(numbers) <= most:
        return list(numbers)
    kept = set(always) & set(numbers)
    others = [number for number in numbers if number not in kept]
    room = max(most - len(kept), 0)
    spaced = {others[i * len(others) // room] for i in range(room)}
    return [number for number in numbers if number in kept or number in spaced]


def best_so_far(known: Iterable[TrialOutline]) -> list[ImprovementBody]:
    """Return every trial that is better than all with a lower number."""
    found: list[ImprovementBody] = []
    for each in known:
        if each.competes and each.value is not None and (not found or each.value > found[-1].value):
            found.append(ImprovementBody(number=each.number, value=each.value, ended_at=each.ended_at))
    return found


def _phases(known: Iterable[TrialOutline]) -> Iterable[PhaseBody]:
    for role, group in groupby(known, key=lambda each: each.role):
        numbers = [each.number for each in group]
        yield PhaseBody(role=role, first=numbers[0], last=numbers[-1])


def _columns(
    session: Session, study: StudyRecord, trials: Sequence[TrialRecord], front: set[int]
) -> tuple[dict[str, list[Any]], dict[str, dict[str, str]]]:
    measured = measured_of(session, [trial.id for trial in trials], [counted_moment(study)])
    table = Columns(definition_of(study), study_rows.terms_of(session, study.id))
    rows = [table.row(trial, counted(study, measured[trial.id])) for trial in trials]
    columns, not_finite = column_values(table, rows, [name for name in table.names if name in SHOWN or name.startswith(GROUPS)])
    columns["front"] = [trial.number in front for trial in trials]
    return columns, not_finite
