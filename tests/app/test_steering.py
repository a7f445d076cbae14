"""Changing, steering and deleting studies over HTTP, and what a study says it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from storage.records import Reason, StudyState
from tests.app.scenes import NAME, Bench, definition, on_sqlite, problem

STUDY = f"/v1/studies/{NAME}"


def test_more_trials_can_be_asked_for(bench: Bench) -> None:
    bench.submit()
    body = bench.client.patch(STUDY, json={"trials": 64}).json()
    assert (body["progress"]["planned"], body["definition"]["search"]["trials"]) == (65, 64)


def test_a_complete_study_goes_on_with_more_trials(bench: Bench) -> None:
    bench.submit(search={"trials": 1})
    bench.trained([0.5])
    bench.ended(StudyState.COMPLETE)
    assert bench.client.patch(STUDY, json={"trials": 2}).json()["state"] == "RUNNING"


def test_fewer_trials_than_there_are_is_409_with_the_least(bench: Bench) -> None:
    bench.submit()
    bench.plan(3)
    body = problem(bench.client.patch(STUDY, json={"trials": 2}), 409, "budget-too-small")
    assert body["least"] == 3


def test_a_cancelled_study_takes_no_more_trials(bench: Bench) -> None:
    bench.submit()
    bench.client.post(f"{STUDY}/cancel")
    assert problem(bench.client.patch(STUDY, json={"trials": 64}), 409, "wrong-state")["state"] == "CANCELLED"


def test_a_grid_keeps_its_number_of_trials(bench: Bench) -> None:
    document = definition(search={"sampler": {"name": "grid"}}, penalties=[])
    document["tasks"][1]["losses"][0]["weight"] = {"low": 0.01, "high": 1, "points": 5}
    bench.client.post("/v1/studies", json=document)
    body = problem(bench.client.patch(STUDY, json={"trials": 6}), 422, "bad-parameter")
    assert body["errors"][0]["path"] == "trials"


def test_a_priority_is_part_of_the_definition_and_of_no_hash(bench: Bench) -> None:
    plain, urgent = (bench.get(f"/v1/studies/{bench.submit(**more)}") for more in ({}, {"name": "urgent", "priority": 7}))
    assert (plain["definition"]["priority"], urgent["definition"]["priority"]) == (0, 7)
    assert urgent["definition_sha256"] == plain["definition_sha256"]


def test_a_priority_can_be_changed_at_any_time(bench: Bench) -> None:
    bench.submit(priority=7)
    assert bench.client.patch(STUDY, json={"priority": -1}).json()["definition"]["priority"] == -1
    bench.client.post(f"{STUDY}/cancel")
    assert bench.client.patch(STUDY, json={"priority": 0}).status_code == 200
    assert bench.get(STUDY)["definition"]["priority"] == 0


def test_labels_and_description_can_be_replaced(bench: Bench) -> None:
    bench.submit(labels={"a": "1"}, description="first")
    body = bench.client.patch(STUDY, json={"labels": {"b": "2"}, "description": ""}).json()
    assert (body["definition"]["labels"], body["definition"]["description"]) == ({"b": "2"}, "")


@on_sqlite
def test_when_the_search_stops_is_changed_and_taken_back(bench: Bench) -> None:
    bench.submit()
    before = bench.get(STUDY)
    changed = bench.client.patch(STUDY, json={"stop": {"after_seconds": 60.0}}).json()
    assert changed["definition"]["search"]["stop"] == {"after_seconds": 60.0, "no_gain": None}
    assert changed["definition_sha256"] == before["definition_sha256"]
    assert bench.client.patch(STUDY, json={"stop": None}).json()["definition"]["search"]["stop"] is None


def test_a_search_is_confirmed_after_all_and_is_the_study_that_confirms(bench: Bench) -> None:
    bench.submit(search={"trials": 1, "confirmation": None})
    bench.trained([0.5])
    bench.ended(StudyState.COMPLETE)
    asked = {"top": 1, "seeds": 3}
    changed = bench.client.patch(STUDY, json={"confirmation": asked}).json()
    assert changed["state"] == "RUNNING"
    assert changed["definition"]["search"]["confirmation"]["seeds"] == 3
    sent = bench.client.post("/v1/studies", json=definition(search={"trials": 1, "confirmation": asked}))
    assert (sent.status_code, sent.json()["definition_sha256"]) == (200, changed["definition_sha256"])


def test_the_confirmation_that_a_study_has_stays(bench: Bench) -> None:
    bench.submit(search={"trials": 1, "confirmation": {"top": 1, "seeds": 3}})
    before = bench.get(STUDY)
    assert bench.client.patch(STUDY, json={"confirmation": {"top": 1, "seeds": 3}}).json() == before
    body = problem(bench.client.patch(STUDY, json={"confirmation": {"top": 2}}), 422, "bad-parameter")
    assert body["errors"][0]["path"] == "confirmation"


@on_sqlite
def test_a_front_has_no_gain_to_stop_by(bench: Bench) -> None:
    bench.submit(objective={**definition()["objective"], "aggregate": "pareto"})
    body = problem(bench.client.patch(STUDY, json={"stop": {"no_gain": 1.0}}), 422, "bad-parameter")
    assert body["errors"][0]["path"] == "stop.no_gain"


@on_sqlite
@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"trials": 0}, "trials"),
        ({"trials": 2.5}, "trials"),
        ({"trials": True}, "trials"),
        ({"trials": 100_001}, "trials"),
        ({"trials": 10**18}, "trials"),
        ({"stop": {}}, "stop"),
        ({"stop": {"after_seconds": 0}}, "stop.after_seconds"),
        ({"priority": 1001}, "priority"),
        ({"priority": 1.0}, "priority"),
        ({"priority": True}, "priority"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"a": "x" * 257}}, "labels.a"),
        ({"labels": {str(i): "" for i in range(65)}}, "labels"),
        ({"description": "x" * 5000}, "description"),
        ({"trails": 64}, "trails"),
        ({}, ""),
        ([], ""),
    ],
)
def test_a_bad_patch_changes_nothing(bench: Bench, patch: Any, path: str) -> None:
    bench.submit()
    before = bench.get(STUDY)
    body = problem(bench.client.patch(STUDY, json=patch), 422, "bad-parameter")
    assert body["errors"][0]["path"] == path
    assert bench.get(STUDY) == before


@pytest.mark.parametrize(
    ("verbs", "state"),
    [
        (["pause"], "PAUSED"),
        (["pause", "pause"], "PAUSED"),
        (["pause", "resume"], "QUEUED"),
        (["resume"], "QUEUED"),
        (["stop"], "STOPPED"),
        (["stop", "stop"], "STOPPED"),
        (["cancel", "cancel"], "CANCELLED"),
        (["retry"], "QUEUED"),
    ],
)
def test_a_verb_can_be_repeated(bench: Bench, verbs: list[str], state: str) -> None:
    bench.submit()
    answers = [bench.client.post(f"{STUDY}/{verb}") for verb in verbs]
    assert [answer.status_code for answer in answers] == [200] * len(verbs)
    assert answers[-1].json()["state"] == state


@on_sqlite
@pytest.mark.parametrize(("end", "verb"), [("cancel", "pause"), ("cancel", "resume"), ("stop", "cancel"), ("cancel", "retry")])
def test_a_verb_in_the_wrong_state_is_409_that_names_it(bench: Bench, end: str, verb: str) -> None:
    bench.submit()
    state = bench.client.post(f"{STUDY}/{end}").json()["state"]
    body = problem(bench.client.post(f"{STUDY}/{verb}"), 409, "wrong-state")
    assert body["state"] == state
    assert state in body["detail"]
    assert body["allowed"]


def test_a_stopping_study_says_how_many_trials_still_run(bench: Bench) -> None:
    bench.submit()
    bench.plan(3)
    bench.start([0, 1])
    body = bench.client.post(f"{STUDY}/stop").json()
    assert (body["state"], body["reason"]["code"]) == ("STOPPING", "stopping")
    assert "2 trials" in body["reason"]["message"]
    assert body["progress"]["trials"]["CANCELLED"] == 1


def test_a_study_that_failed_in_its_preflight_is_queued_again_by_retry(bench: Bench) -> None:
    bench.submit()
    bench.ended(StudyState.FAILED, reason=Reason("workload_import_failed", "no file data.tsv", "work.py:3"))
    body = bench.get(STUDY)
    assert body["reason"] == {"code": "workload_import_failed", "message": "no file data.tsv", "at": "work.py:3"}
    assert bench.client.post(f"{STUDY}/retry").json()["state"] == "QUEUED"


def test_an_ended_study_can_be_deleted(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    problem(bench.client.delete(STUDY), 409, "wrong-state")
    bench.client.post(f"{STUDY}/cancel")
    response = bench.client.delete(STUDY)
    assert (response.status_code, response.content) == (204, b"")
    problem(bench.client.delete(STUDY), 404, "study-not-found")
    assert bench.client.post("/v1/studies", json=definition()).status_code == 201


def test_a_queued_study_says_that_no_live_worker_has_its_workload(bench: Bench) -> None:
    bench.submit()
    bench.worker("digits-mask", "digits-overlay")
    bench.worker("digits-mask", name="w2")
    reason = bench.get(STUDY)["reason"]
    assert reason["code"] == "no_live_worker"
    assert reason["message"] == "no live worker has workload 'digits'; 2 workers have: digits-mask, digits-overlay"


def test_a_study_says_that_the_services_own_workers_are_starting_until_one_is_heard_of(bench: Bench, app: FastAPI) -> None:
    app.state.own_workers = lambda: 1
    starting = {"code": "no_live_worker", "message": "the worker is starting", "at": None}
    assert bench.client.post("/v1/studies", json=definition()).json()["reason"] == starting
    assert bench.get(STUDY)["reason"] == starting
    assert bench.client.patch(STUDY, json={"priority": 1}).json()["reason"] == starting
    app.state.own_workers = lambda: 2
    assert bench.get("/v1/studies")["studies"][0]["reason"]["message"] == "2 workers are starting"
    bench.worker("digits-mask")
    assert bench.get(STUDY)["reason"]["message"] == "no live worker has workload 'digits'; 1 worker has: digits-mask"


def test_a_study_in_training_waits_for_nothing(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.start()
    assert bench.get(STUDY)["reason"] is None
