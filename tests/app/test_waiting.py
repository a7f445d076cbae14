"""What a study says it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.waiting import reason_of
from storage.fleet_records import WorkerRecord
from storage.records import Reason, StudyRecord, StudyState, TrialState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTED = Reason("trials_running", "3 planned trials are not finished yet")


def study(state: StudyState = StudyState.QUEUED, reason: Reason | None = None) -> StudyRecord:
    fields: dict[str, Any] = {
        "id": 1,
        "name": "s",
        "state": state,
        "reason": reason,
        "definition": {},
        "definition_version": 1,
        "definition_sha256": "",
        "problem_sha256": "",
        "workload": "ads",
        "description": None,
        "labels": {},
        "warnings": (),
        "trial_budget": 1,
        "prepared": False,
        "cohort_size": None,
        "engine": None,
        "engine_why": None,
        "threads": None,
        "preparations": 0,
        "sequence": 0,
        "created_at": NOW,
        "updated_at": NOW,
        "started_at": None,
        "ended_at": None,
    }
    return StudyRecord(**fields)


def worker(*workloads: str) -> WorkerRecord:
    return WorkerRecord(1, "w", "h", 1, "1", workloads, "idle", True, NOW, NOW, None, None)


def counts(**given: int) -> Mapping[str, int]:
    return {state.value: given.get(state.value, 0) for state in TrialState}


def message(*args: Any) -> str:
    found = reason_of(*args)
    assert found is not None
    return found.message


@pytest.mark.parametrize("state", [StudyState.QUEUED, StudyState.RUNNING])
def test_without_any_worker_it_says_so(state: StudyState) -> None:
    assert message(study(state), counts(), False, []) == "no live worker has workload 'ads'; no worker is alive"


def test_it_names_what_the_live_workers_have() -> None:
    text = message(study(), counts(), False, [worker("digits"), worker("digits", "digits-mask")])
    assert text == "no live worker has workload 'ads'; 2 workers have: digits, digits-mask"


def named(**parts: object) -> StudyRecord:
    return replace(study(), definition=parts)


@pytest.mark.parametrize(
    ("waiting", "noun"),
    [
        (named(search={"sampler": {"name": "outside", "plugin": {}}}), "sampler"),
        (named(penalties=[{"penalty": "outside", "plugin": {}}]), "penalty"),
    ],
)
def test_it_names_the_plug_in_that_no_live_worker_has(waiting: StudyRecord, noun: str) -> None:
    text = message(waiting, counts(), False, [worker("ads")], {1: {("samplers", "other")}})
    assert text == f"no live worker with workload 'ads' has the {noun} 'outside'; their plug-ins: other"


def test_a_worker_that_has_the_plug_in_is_waited_for() -> None:
    waiting = named(search={"sampler": {"name": "outside", "plugin": {}}})
    text = message(waiting, counts(), False, [worker("ads")], {1: {("samplers", "outside")}})
    assert text.startswith("waits for a free worker")


def test_one_worker_is_named_in_the_singular() -> None:
    assert message(study(), counts(), False, [worker("digits")]).endswith("; 1 worker has: digits")


def test_with_a_worker_that_could_take_it_it_waits_for_a_free_one() -> None:
    assert (
        message(study(), counts(), False, [worker("ads"), worker("digits")])
        == "waits for a free worker; 1 live worker has workload 'ads'"
    )


def test_what_the_worker_noted_is_said_where_one_could_take_it() -> None:
    assert reason_of(study(StudyState.RUNNING, NOTED), counts(), False, [worker("ads")]) == NOTED


def test_a_study_in_training_or_in_preparation_waits_for_nothing() -> None:
    assert reason_of(study(StudyState.RUNNING), counts(RUNNING=1), False, [worker("ads")]) is None
    assert reason_of(study(), counts(), True, []) is None


def test_trials_of_a_worker_that_is_gone_do_not_hide_that_nobody_trains_them() -> None:
    text = message(study(StudyState.RUNNING), counts(RUNNING=1), False, [])
    assert text == "no live worker has workload 'ads'; no worker is alive"


def test_a_paused_study_says_what_still_runs() -> None:
    assert message(study(StudyState.PAUSED), counts(RUNNING=2), False, []).startswith("paused: 2 trials that run may finish")


def test_an_ended_study_keeps_its_reason() -> None:
    assert reason_of(study(StudyState.FAILED, NOTED), counts(), False, []) == NOTED
    assert reason_of(study(StudyState.COMPLETE), counts(), False, []) is None
