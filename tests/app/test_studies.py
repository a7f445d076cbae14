"""Submitting, reading, changing, steering and deleting studies over HTTP."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from storage.records import Reason, StudyState
from tests.app.scenes import NAME, Bench, definition, outcome, problem

STUDY = f"/v1/studies/{NAME}"


def test_a_new_study_is_201_with_its_location(bench: Bench) -> None:
    response = bench.client.post("/v1/studies", json=definition())
    assert response.status_code == 201
    assert response.headers["location"] == STUDY
    body = response.json()
    assert body == bench.get(STUDY)
    assert (body["name"], body["state"], body["ended"], body["best"]) == (NAME, "QUEUED", False, None)


def test_a_study_shows_every_field_of_its_normalised_definition(bench: Bench) -> None:
    bench.submit(labels={"team": "a"}, description="a try")
    shown = bench.get(STUDY)["definition"]
    assert shown["labels"] == {"team": "a"}
    assert shown["description"] == "a try"
    assert shown["objective"]["metrics"][0]["direction"] == "maximize"
    assert shown["search"]["trials"] == 32
    assert bench.client.post("/v1/studies", json=shown).status_code == 200


def test_progress_counts_every_state_and_the_baseline(bench: Bench) -> None:
    bench.submit()
    progress = bench.get(STUDY)["progress"]
    assert set(progress["trials"]) == {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAILED", "DIVERGED", "CANCELLED"}
    assert (progress["planned"], progress["epochs"], progress["epochs_planned"]) == (33, 0, 330)
    assert progress["seconds_left"] is None


def test_seconds_left_are_the_epochs_to_go_at_the_pace_so_far(bench: Bench) -> None:
    bench.submit(training={"epochs": 2}, search={"trials": 4})
    bench.trained([0.5, 0.75])  # 2 trials of 2 epochs, 3 reports of half a second each: 3 s for 4 epochs
    progress = bench.get(STUDY)["progress"]
    assert (progress["planned"], progress["epochs"]) == (5, 4)
    assert progress["seconds_left"] == pytest.approx(3 * 2 * 3 / 4)  # 3 trials to go, of 2 epochs


def test_the_same_definition_again_is_the_same_study(bench: Bench) -> None:
    bench.submit()
    again = bench.client.post("/v1/studies", json=definition(description="other words", labels={"k": "v"}))
    assert again.status_code == 200
    assert again.json()["definition"]["description"] is None
    assert bench.count() == 1


def test_the_same_study_is_found_again_after_its_budget_was_raised(bench: Bench) -> None:
    bench.submit()
    bench.client.patch(STUDY, json={"trials": 64})
    assert bench.client.post("/v1/studies", json=definition()).status_code == 200


def test_another_definition_under_the_name_is_409_with_what_differs(bench: Bench) -> None:
    bench.submit()
    body = problem(bench.client.post("/v1/studies", json=definition(training={"epochs": 3})), 409, "other-definition")
    assert {"path": "training.epochs", "stored": 10, "sent": 3} in body["changed"]
    assert "training.epochs" in body["detail"]
    assert bench.get(STUDY)["definition"]["training"]["epochs"] == 10


def test_a_study_without_a_name_gets_one_from_its_workload(bench: Bench) -> None:
    first, second = bench.submit(name=None), bench.submit(name=None)
    assert first != second
    assert first.startswith("digits-")
    assert bench.get(f"/v1/studies/{first}")["definition"]["name"] == first


def test_a_refused_definition_lists_everything_that_is_wrong(bench: Bench) -> None:
    document = definition(training={"epochs": 0}, wrkload=1)
    document["tasks"][0]["losses"][0]["loss"] = "sparse_categorical_crosentropy"
    body = problem(bench.client.post("/v1/studies", json=document), 422, "definition-refused")
    found = {error["path"]: error for error in body["errors"]}
    assert {"training.epochs", "wrkload", "tasks.0.losses.0.loss"} <= set(found)
    assert found["wrkload"]["did_you_mean"] == "workload"
    assert found["tasks.0.losses.0.loss"]["did_you_mean"] == "sparse_categorical_crossentropy"
    assert bench.count() == 0


def test_an_objective_on_a_weighted_loss_is_refused_with_the_reason(bench: Bench) -> None:
    document = definition(objective={"metrics": [{"metric": "val_loss", "direction": "minimize"}]})
    body = problem(bench.client.post("/v1/studies", json=document), 422, "definition-refused")
    assert "depends on the searched weights" in body["detail"]


def test_a_published_workload_is_checked_at_once(bench: Bench) -> None:
    bench.publish()
    document = definition()
    document["tasks"][0]["output"] = "digitt"
    body = problem(bench.client.post("/v1/studies", json=document), 422, "definition-refused")
    assert body["errors"][0]["path"] == "tasks.0.output"
    assert body["errors"][0]["did_you_mean"] == "digit"


def test_an_unpublished_workload_is_a_warning(bench: Bench) -> None:
    bench.submit()
    assert "no worker has published workload 'digits' yet" in bench.get(STUDY)["warnings"][0]


def test_validate_only_stores_nothing(bench: Bench) -> None:
    response = bench.client.post("/v1/studies?validate_only=true", json=definition())
    assert response.status_code == 200
    body = response.json()
    assert (body["grid_size"], body["trainings"], body["epochs"], body["estimated_seconds"]) == (None, 33, 330, None)
    assert body["definition"]["search"]["trials"] == 32
    assert len(body["definition_sha256"]) == len(body["problem_sha256"]) == 64
    assert bench.count() == 0


def test_validate_only_counts_a_grid(bench: Bench) -> None:
    document = definition(search={"sampler": {"name": "grid"}}, penalties=[])
    document["tasks"][1]["losses"][0]["weight"] = {"low": 0.01, "high": 1, "points": 5}
    body = bench.client.post("/v1/studies?validate_only=true", json=document).json()
    assert (body["grid_size"], body["trainings"]) == (5, 5)


def test_validate_only_estimates_from_studies_of_the_same_problem(bench: Bench) -> None:
    bench.submit(training={"epochs": 2})
    bench.trained([0.5])  # 1.5 s for 2 epochs
    document = definition(name="another", training={"epochs": 2}, search={"trials": 3, "sampler": {"name": "random"}})
    body = bench.client.post("/v1/studies?validate_only=true", json=document).json()
    assert body["estimated_seconds"] == pytest.approx(4 * 2 * 0.75)


def test_studies_are_listed_newest_first_page_by_page(bench: Bench) -> None:
    names = [bench.submit(name=f"study-{i}") for i in range(5)]
    seen: list[str] = []
    token = ""
    for size in (2, 2, 1):
        page = bench.get("/v1/studies", page_size=2, page_token=token)
        assert len(page["studies"]) == size
        seen += [study["name"] for study in page["studies"]]
        token = page["next_page_token"]
    assert token == ""
    assert seen == names[::-1]


def test_a_study_created_between_two_pages_moves_nothing(bench: Bench) -> None:
    for i in range(4):
        bench.submit(name=f"study-{i}")
    first = bench.get("/v1/studies", page_size=2)
    bench.submit(name="late")
    second = bench.get("/v1/studies", page_size=2, page_token=first["next_page_token"])
    assert [study["name"] for study in second["studies"]] == ["study-1", "study-0"]


def test_studies_can_be_listed_by_state(bench: Bench) -> None:
    bench.submit(name="a")
    bench.submit(name="b")
    bench.client.post("/v1/studies/a/cancel")
    assert [study["name"] for study in bench.get("/v1/studies", state="CANCELLED")["studies"]] == ["a"]


def test_a_page_token_is_good_for_its_own_list_only(bench: Bench) -> None:
    for i in range(3):
        bench.submit(name=f"study-{i}")
    token = bench.get("/v1/studies", page_size=1)["next_page_token"]
    query = {"page_size": 1, "page_token": token, "state": "QUEUED"}
    problem(bench.client.get("/v1/studies", params=query), 400, "bad-page-token")


def test_an_unchanged_study_is_304(bench: Bench) -> None:
    bench.submit()
    tag = bench.client.get(STUDY).headers["etag"]
    again = bench.client.get(STUDY, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_changed_study_has_another_tag(bench: Bench) -> None:
    bench.submit()
    tag = bench.client.get(STUDY).headers["etag"]
    bench.client.post(f"{STUDY}/pause")
    changed = bench.client.get(STUDY, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_waiting_answers_at_once_when_the_study_has_ended(bench: Bench) -> None:
    bench.submit()
    bench.client.post(f"{STUDY}/cancel")
    assert bench.get(STUDY, wait=60)["state"] == "CANCELLED"


def test_waiting_answers_when_the_study_ends(bench: Bench, settings: Any, app: Any) -> None:
    app.state.settings = settings.model_copy(update={"max_wait_seconds": 30.0})
    bench.submit()
    answers: list[str] = []
    waiter = threading.Thread(target=lambda: answers.append(bench.get(STUDY, wait=60)["state"]))
    waiter.start()
    bench.client.post(f"{STUDY}/stop")
    waiter.join(timeout=20)
    assert answers == ["STOPPED"]


def test_waiting_answers_after_its_time(bench: Bench) -> None:
    bench.submit()
    assert bench.get(STUDY, wait=60)["ended"] is False


def test_waiting_ends_when_the_service_shuts_down(bench: Bench, settings: Any, app: Any) -> None:
    app.state.settings = settings.model_copy(update={"max_wait_seconds": 3600.0})
    bench.submit()
    app.state.closing.set()
    assert bench.get(STUDY, wait=3600)["ended"] is False


def test_waiting_for_a_study_that_is_not_there_is_404(bench: Bench) -> None:
    problem(bench.client.get("/v1/studies/none?wait=5"), 404, "study-not-found")


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


def test_labels_and_description_can_be_replaced(bench: Bench) -> None:
    bench.submit(labels={"a": "1"}, description="first")
    body = bench.client.patch(STUDY, json={"labels": {"b": "2"}, "description": ""}).json()
    assert (body["definition"]["labels"], body["definition"]["description"]) == ({"b": "2"}, "")


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"trials": 0}, "trials"),
        ({"trials": 2.5}, "trials"),
        ({"trials": True}, "trials"),
        ({"trials": 100_001}, "trials"),
        ({"trials": 10**18}, "trials"),
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


def test_a_study_in_training_waits_for_nothing(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.start()
    assert bench.get(STUDY)["reason"] is None


def test_the_best_trial_so_far_is_shown(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.75, 0.25])
    best = bench.get(STUDY)["best"]
    assert (best["number"], best["objective"]["value"], best["objective"]["feasible"]) == (1, 0.75, True)


def test_an_infeasible_trial_is_not_the_best(bench: Bench) -> None:
    bench.submit()
    numbers = bench.plan(1)
    bench.end(bench.start(numbers), [outcome(0, 0.5, feasible=False, violations={"agreement.violations": 0.25})])
    assert bench.get(STUDY)["best"] is None


@pytest.mark.parametrize("name", ["none", "a b", "x" * 65, "%00", "..%5c", "-", "a%0A", "ü"])
def test_an_unknown_name_is_404(bench: Bench, name: str) -> None:
    problem(bench.client.get(f"/v1/studies/{name}"), 404, "study-not-found")


@pytest.mark.parametrize("rest", ["trials", "trials/0", "best", "export", "curves?trials=0"])
def test_everything_of_an_unknown_study_is_404(bench: Bench, rest: str) -> None:
    problem(bench.client.get(f"/v1/studies/none/{rest}"), 404, "study-not-found")
