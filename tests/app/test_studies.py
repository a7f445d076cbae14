"""Submitting, listing and reading studies over HTTP."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app import study_views
from app.study_views import StoredProgress
from search.definition.schema import StudyDefinition
from storage import study_rows
from storage.database import Database
from storage.models import WORKERS
from storage.records import StudyState, Throughput
from tests.app.scenes import DESCRIPTION, DIGIT, NAME, PARITY, Bench, definition, on_sqlite, outcome, problem

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


@on_sqlite
def test_a_metric_of_the_catalog_is_read_in_percent_and_one_of_the_workloads_own_as_it_is(bench: Bench) -> None:
    bench.submit()
    assert bench.get(STUDY)["in_percent"] == [DIGIT, PARITY]
    bench.publish({**DESCRIPTION, "metrics": [PARITY.partition(".")[2]]})
    assert bench.get(STUDY)["in_percent"] == [DIGIT]


@on_sqlite
def test_accuracy_is_read_in_percent_whichever_the_losses_make_of_it(bench: Bench) -> None:
    tasks = [{**task, "metrics": ["accuracy"]} for task in definition()["tasks"]]
    paths = ["digit.accuracy", "parity.accuracy"]
    bench.submit(tasks=tasks, objective={"aggregate": "mean", "metrics": [{"metric": path} for path in paths]})
    assert bench.get(STUDY)["in_percent"] == paths


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


def test_without_a_live_worker_no_time_is_left_to_tell(bench: Bench) -> None:
    bench.submit(training={"epochs": 2}, search={"trials": 4})
    bench.trained([0.5, 0.75])
    with bench.database.writing() as session:
        session.execute(update(WORKERS).values(heartbeat_at=bench.database.now(session) - timedelta(hours=1)))
    found = bench.get(STUDY)
    assert (found["reason"]["code"], found["progress"]["seconds_left"]) == ("no_live_worker", None)


def test_seconds_left_take_search_trials_to_come_for_as_long_as_those_that_have_ended(bench: Bench) -> None:
    bench.submit(training={"epochs": 10}, search={"trials": 4, "confirmation": None})
    bench.trained([0.5, None])  # both ended after 2 epochs, as a pruner does: 3 s for 4 epochs
    progress = bench.get(STUDY)["progress"]
    assert (progress["planned"], progress["epochs"], progress["epochs_planned"]) == (5, 4, 50)
    assert progress["seconds_left"] == pytest.approx((2 * 2 + 1 * 10) * 3 / 4)  # 2 search trials and the baseline to go


def test_seconds_left_on_several_seeds_take_all_but_the_last_to_train_in_full() -> None:
    search = {"trials": 4, "seeds": 2, "confirmation": None}
    planned = StudyDefinition.model_validate(definition(training={"epochs": 10}, search=search))
    pace = Throughput(epochs=20, seconds=10.0, cohorts=1, under_way=0, searched=2, searched_epochs=24, ended=4)
    # one of the two was pruned after 2 epochs under its second seed: a mean of 6; two more to go, and the baseline
    left = 2 * (10 + 6) + 2 * 10
    assert study_views._seconds_left(planned, StoredProgress({}, 0, pace, (), None)) == pytest.approx(left * 10.0 / 20)


def test_the_same_definition_again_is_the_same_study(bench: Bench) -> None:
    bench.submit()
    again = bench.client.post("/v1/studies", json=definition(description="other words", labels={"k": "v"}))
    assert again.status_code == 200
    assert again.json()["definition"]["description"] == definition()["description"]
    assert bench.count() == 1


def test_the_same_study_is_found_again_after_its_budget_was_raised(bench: Bench) -> None:
    bench.submit()
    bench.client.patch(STUDY, json={"trials": 64})
    assert bench.client.post("/v1/studies", json=definition()).status_code == 200


def test_one_of_many_at_once_creates_the_study(bench: Bench) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: bench.client.post("/v1/studies", json=definition()), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert bench.count() == 1


def test_a_busy_database_is_503_and_stores_nothing(bench: Bench, database_url: str, app: Any) -> None:
    app.state.database = impatient = Database(database_url, busy_timeout_seconds=0.05)
    bench.submit()
    with bench.database.writing() as session:
        study_rows.lock_study(session, 1)
        response = bench.client.post(f"{STUDY}/pause")
    problem(response, 503, "storage-busy")
    assert int(response.headers["retry-after"]) > 0
    assert bench.study().state is StudyState.QUEUED
    impatient.close()


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


def test_validate_only_counts_the_lattice_of_a_simplex(bench: Bench) -> None:
    document = definition(search={"sampler": {"name": "grid"}, "space": "simplex"}, penalties=[])
    for task in document["tasks"]:
        task["losses"][0]["weight"] = {"low": 0, "high": 1, "points": 5}
    body = bench.client.post("/v1/studies?validate_only=true", json=document).json()
    assert (body["grid_size"], body["trainings"]) == (5, 5)
    assert body["definition"]["search"]["space"] == {"simplex": ["digit.crossentropy", "parity.crossentropy"], "total": 1.0}


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


def test_waiting_answers_when_the_study_ends(bench: Bench) -> None:
    bench.submit()
    answers: list[str] = []
    waiter = threading.Thread(target=lambda: answers.append(bench.get(STUDY, wait=60)["state"]))
    waiter.start()
    bench.client.post(f"{STUDY}/stop")
    waiter.join(timeout=20)
    assert answers == ["STOPPED"]


def test_waiting_answers_after_its_time(bench: Bench) -> None:
    bench.submit()
    assert bench.get(STUDY, wait=0.05)["ended"] is False


def test_waiting_ends_when_the_service_shuts_down(bench: Bench, app: Any) -> None:
    bench.submit()
    app.state.closing.set()
    assert bench.get(STUDY, wait=300)["ended"] is False


@on_sqlite
@pytest.mark.parametrize("wait", ["301", "1e9"])
def test_a_longer_wait_than_the_service_holds_is_refused_with_its_limit(bench: Bench, wait: str) -> None:
    body = problem(bench.client.get(f"{STUDY}?wait={wait}"), 422, "bad-parameter")
    assert body["limit"] == 300
    assert body["errors"][0]["expected"].startswith("at most 300 seconds")


@on_sqlite
@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", ""])
def test_a_wait_that_is_no_time_is_refused(bench: Bench, wait: str) -> None:
    assert problem(bench.client.get(f"{STUDY}?wait={wait}"), 422, "bad-parameter")["errors"][0]["path"] == "query.wait"


def test_waiting_for_a_study_that_is_not_there_is_404(bench: Bench) -> None:
    problem(bench.client.get("/v1/studies/none?wait=5"), 404, "study-not-found")


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


@on_sqlite
@pytest.mark.parametrize("name", ["none", "a b", "x" * 65, "%00", "..%5c", "-", "a%0A", "ü"])
def test_an_unknown_name_is_404(bench: Bench, name: str) -> None:
    problem(bench.client.get(f"/v1/studies/{name}"), 404, "study-not-found")


@on_sqlite
@pytest.mark.parametrize("rest", ["trials", "trials/0", "best", "export", "curves?trials=0"])
def test_everything_of_an_unknown_study_is_404(bench: Bench, rest: str) -> None:
    problem(bench.client.get(f"/v1/studies/none/{rest}"), 404, "study-not-found")
