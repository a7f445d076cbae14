"""Trials to test with: what storage would give of a study, without a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from search.definition.schema import StudyDefinition
from search.planning.plan import History
from storage.records import PlannedTrial, Role, TrialRecord, TrialState, Values

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def trial(number: int, parameters: Values | None = None, *, state: TrialState = TrialState.COMPLETE, **fields: Any) -> TrialRecord:
    """Return a search trial; one that is COMPLETE has the value 0 unless `fields` say otherwise."""
    complete = state is TrialState.COMPLETE
    known: dict[str, Any] = {
        "id": number + 1,
        "study_id": 1,
        "role": Role.SEARCH,
        "rule": None,
        "origin": "tpe",
        "confirms": None,
        "seed": 0,
        "parameters": parameters or {},
        "weights": {},
        "sampler_state": {},
        "planned_after": 0,
        "planned_beside": (),
        "attempt": 1,
        "charged": 0,
        "cohort_limit": None,
        "epochs": 0,
        "best_epoch": None,
        "value": 0.0 if complete else None,
        "values": {},
        "feasible": True if complete else None,
        "violations": {},
        "reason": None,
        "worker": None,
        "cohort": None,
        "engine": None,
        "engine_why": None,
        "sequence": None,
        "created_at": NOW,
        "started_at": None,
        "ended_at": None,
    }
    return TrialRecord(number=number, state=state, **{**known, **fields})


def waiting(number: int, planned: PlannedTrial) -> TrialRecord:
    """Return a planned trial as storage keeps it until a cohort takes it."""
    return trial(
        number,
        planned.parameters,
        state=TrialState.WAITING,
        role=planned.role,
        rule=planned.rule,
        origin=planned.origin,
        seed=planned.seed,
        confirms=planned.confirms,
        weights=planned.weights,
        sampler_state=planned.sampler_state,
        attempt=0,
    )


def history(definition: StudyDefinition, trials: Sequence[TrialRecord] = (), *, budget: int | None = None) -> History:
    """Return what the plan may know of a study with these trials."""
    return History(
        budget=definition.search.trials or 0 if budget is None else budget,
        counts=Counter((record.role, record.state) for record in trials),
        references=[record for record in trials if record.role is Role.REFERENCE],
        trials=[record for record in trials if record.role is Role.SEARCH],
        baselines=[record for record in trials if record.role is Role.BASELINE],
        confirmed=frozenset((record.confirms, record.seed) for record in trials if record.confirms is not None),
        next_number=len(trials),
    )
