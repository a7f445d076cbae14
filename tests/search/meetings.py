"""Confirmations to test with: candidates by hand on the seeds 0, 1, 2, ..."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from search.analysis.verdict import Verdict, judge
from search.definition.schema import Objective
from search.planning.candidates import Candidate
from search.planning.meeting import Design, Meeting, Trained, meet
from storage.records import AnchorRecord, Measured, Role
from tests.search.histories import trial

OBJECTIVE = Objective.model_validate({"metrics": [{"metric": "a.accuracy", "direction": "maximize"}]})


def candidate(
    number: int, validation: Sequence[float | None], test: Sequence[float] = (), rule: str | None = None, **fields: Any
) -> Candidate:
    """Return a candidate with one accuracy a seed; None where its training failed."""
    own = trial(number, role=Role.BASELINE if rule else Role.SEARCH, rule=rule, **{"value": 1.0, **fields})
    measured = {
        seed: Measured(validation={"a.accuracy": each}, test={"a.accuracy": test[seed]} if test else {})
        for seed, each in enumerate(validation)
        if each is not None
    }
    return Candidate(own, measured)


def design(seeds: int, choosing: int = 0, most: int = 1000) -> Design:
    return Design(tuple(range(choosing)), tuple(range(choosing, seeds)), tuple(range(min(seeds, 4))), most)


def trained(candidates: Sequence[Candidate], seeds: int, failed: Sequence[tuple[int, int]] = ()) -> Trained:
    """Return the candidates as trained on what they measured, and on `failed`."""
    there = {(each.number, seed) for each in candidates for seed in each.measured if seed < seeds}
    return Trained(candidates, frozenset({*there, *failed}))


def met(
    candidates: Sequence[Candidate],
    seeds: int,
    choosing: int = 0,
    objective: Objective = OBJECTIVE,
    known: Sequence[AnchorRecord] = (),
    failed: Sequence[tuple[int, int]] = (),
) -> Meeting:
    return meet(objective, design(seeds, choosing), trained(candidates, seeds, failed), known)


def verdict(
    candidates: Sequence[Candidate],
    seeds: int,
    choosing: int = 0,
    objective: Objective = OBJECTIVE,
    known: Sequence[AnchorRecord] = (),
    failed: Sequence[tuple[int, int]] = (),
    *,
    fixed_start: bool = False,
    fixed_order: bool = False,
    percent: Collection[str] = ("a.accuracy",),
) -> Verdict:
    """Return the verdict over candidates that were trained on seeds 0 to `seeds` - 1, the first `choosing` of which choose."""
    meeting = met(candidates, seeds, choosing, objective, known, failed)
    there = trained(candidates, seeds, failed)
    found = judge(objective, meeting, there, fixed_start=fixed_start, fixed_order=fixed_order, percent=percent)
    assert found is not None
    return found
