"""The client against the real service."""

from __future__ import annotations

import csv
import json

import pytest

import steelyard
from storage.records import Reason, StudyState
from tests.steelyard.filled import definition, ended, failed, filled, submitted


def test_a_submitted_study_is_there(client, name):
    study = client.submit(definition(name))
    assert study["state"] == "QUEUED"
    assert client.get(name)["definition_sha256"] == study["definition_sha256"]
    assert client.get(study)["name"] == name


def test_a_study_is_submitted_from_a_file(client, name, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(definition("in-the-file")))
    assert client.submit(path, name=name)["name"] == name


def test_the_same_study_again_is_the_same_study(client, name):
    first = client.submit(definition(name))
    assert client.submit(definition(name))["times"]["created_at"] == first["times"]["created_at"]


def test_another_study_of_the_name_is_refused_with_where_it_differs(client, name):
    client.submit(definition(name))
    other = definition(name)
    other["training"]["epochs"] = 3
    with pytest.raises(steelyard.DefinitionChanged) as caught:
        client.submit(other)
    assert caught.value.changed == [{"path": "training.epochs", "stored": 10, "sent": 3}]


def test_a_study_without_a_name_is_named_after_its_workload(client):
    unnamed = {key: value for key, value in definition("x").items() if key != "name"}
    assert client.submit(unnamed)["name"].startswith("digits-")


def test_all_faults_of_a_definition_come_at_once(client, name):
    wrong = definition(name, objective={"metrics": [{"metric": "val_loss"}]}, trails=3)
    with pytest.raises(steelyard.DefinitionRefused) as caught:
        client.submit(wrong)
    assert {fault.path for fault in caught.value.errors} == {"objective.metrics.0.metric", "trails"}
    with pytest.raises(steelyard.NotFound):
        client.get(name)


def test_validation_says_what_it_would_be_and_stores_nothing(client, name):
    found = client.validate(definition(name))
    assert found["trainings"] == 33
    with pytest.raises(steelyard.NotFound):
        client.get(name)


def test_studies_are_listed_newest_first(client, name):
    submitted(client, f"{name}-old")
    submitted(client, f"{name}-new")
    names = [study["name"] for study in client.studies(state="QUEUED")]
    assert names.index(f"{name}-new") < names.index(f"{name}-old")


def test_trials_come_page_by_page_in_the_order_asked_for(service, client, name):
    filled(service, client, name, [0.5, 0.7, None, 0.9, 0.6])
    assert [trial["number"] for trial in client.trials(name, page_size=2)] == [0, 1, 2, 3, 4]
    assert [trial["number"] for trial in client.trials(name, order_by="-objective", page_size=2)] == [3, 1, 4, 0, 2]
    assert [trial["number"] for trial in client.trials(name, role="baseline")] == [0]
    assert [trial["number"] for trial in client.trials(name, state="DIVERGED")] == [2]


def test_an_unknown_order_is_refused(service, client, name):
    filled(service, client, name, [0.5])
    with pytest.raises(steelyard.BadRequest, match="nothing"):
        list(client.trials(name, order_by="nothing"))


def test_one_trial_comes_with_its_epochs(service, client, name):
    filled(service, client, name, [0.5, None])
    assert client.trial(name, 1)["reason"]["code"] == "diverged"
    assert client.trial(name, 0)["intermediate_values"] == []
    with pytest.raises(steelyard.NotFound):
        client.trial(name, 9)


def test_curves_of_several_trials_come_at_once(service, client, name):
    filled(service, client, name, [0.5, 0.6])
    curves = client.curves(name, [0, 1], terms=["agreement"], split="train")
    assert [curve["trial"] for curve in curves["curves"]] == [0, 1]


def test_the_best_comes_while_the_study_runs(service, client, name):
    filled(service, client, name, [0.5, 0.9])
    best = client.best(name)
    assert (best["trial"], best["final"]) == (1, False)
    assert best["loss_weights"] == {"digit": 1.0, "parity": 1.0}
    assert client.best(name, pick="objective") == best


def test_the_best_is_picked_from_the_front_or_by_another_aggregate(service, client, name):
    filled(service, client, name, [0.5, 0.7])
    assert client.best(name, pick="metric:parity.binary_accuracy")["picked_by"] == "metric:parity.binary_accuracy"
    assert client.best(name, aggregate="worst")["picked_by"] == "aggregate:worst"


def test_trials_are_ranked_anew(service, client, name):
    filled(service, client, name, [0.5, 0.7, 0.6])
    found = client.rank(name, {"metrics": [{"metric": "parity.binary_accuracy", "direction": "minimize"}]}, top=2)
    assert [trial["number"] for trial in found["trials"]] == [0, 2]
    assert (found["best"], found["ranked"]) == (0, 3)
    with pytest.raises(steelyard.errors.BadRequest) as refused:
        client.rank(name, {"metrics": [{"metric": "val_loss"}]})
    assert refused.value.errors[0].path == "objective.metrics.0.metric"


def test_the_front_comes_with_its_hypervolume(service, client, name):
    filled(service, client, name, [0.5, 0.75])
    assert client.pareto(name)["hypervolume"] == 0.0625
    found = client.pareto(name, reference={"parity.binary_accuracy": 0.0, "digit.sparse_categorical_accuracy": 0.25})
    assert found["hypervolume"] == 0.75 * 0.5
    assert found["reference_point"] == {"digit.sparse_categorical_accuracy": 0.25, "parity.binary_accuracy": 0.0}


def test_a_best_that_is_not_there_yet_is_said(client, name):
    submitted(client, name)
    with pytest.raises(steelyard.NoTrialYet) as caught:
        client.best(name)
    assert caught.value.retry_after_seconds is not None


def test_a_best_that_never_will_be_is_said(service, client, name):
    failed(service, client, name, Reason("raised", "no such file"))
    with pytest.raises(steelyard.NoTrial, match="no such file") as caught:
        client.best(name)
    assert not isinstance(caught.value, steelyard.NoTrialYet)


def test_the_budget_is_raised_and_labels_replaced(service, client, name):
    filled(service, client, name, [0.5], StudyState.COMPLETE)
    assert client.patch(name, labels={"who": "me"}, description="again")["definition"]["labels"] == {"who": "me"}
    extended = client.extend(name, 64)
    assert (extended["state"], extended["definition"]["search"]["trials"]) == ("RUNNING", 64)
    assert extended["definition"]["labels"] == {"who": "me"}


def test_a_study_is_steered(client, name):
    submitted(client, name)
    assert client.pause(name)["state"] == "PAUSED"
    assert client.resume(name)["state"] == "QUEUED"
    assert client.stop(name)["state"] == "STOPPED"


def test_a_steering_that_is_repeated_changes_nothing(client, name):
    submitted(client, name)
    assert client.cancel(name)["state"] == client.cancel(name)["state"] == "CANCELLED"


def test_what_the_state_does_not_allow_is_a_conflict(client, name):
    submitted(client, name)
    with pytest.raises(steelyard.Conflict, match="QUEUED"):
        client.delete(name)


def test_a_failed_study_is_tried_again(service, client, name):
    failed(service, client, name, Reason("raised", "no such file"))
    assert client.retry(name)["state"] == "QUEUED"


def test_an_ended_study_is_deleted(client, name):
    submitted(client, name)
    client.cancel(name)
    client.delete(name)
    with pytest.raises(steelyard.NotFound):
        client.get(name)


def test_all_trials_are_exported(service, client, name):
    filled(service, client, name, [0.5, None, 0.7])
    lines = b"".join(client.export(name)).splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]
    table = list(csv.DictReader(b"".join(client.export(name, format="csv")).decode().splitlines()))
    assert [row["state"] for row in table] == ["COMPLETE", "DIVERGED", "COMPLETE"]


def test_an_export_of_nothing_is_not_found(client):
    with pytest.raises(steelyard.NotFound):
        list(client.export("nothing"))


def test_the_catalog_workloads_and_workers_are_listed(client):
    assert "binary_crossentropy" in {loss["name"] for loss in client.catalog()["losses"]}
    assert "digits" in {workload["name"] for workload in client.workloads()}
    assert all("alive" in worker for worker in client.workers())


def test_wait_returns_at_the_end_of_a_study(service, client, name):
    submitted(client, name)
    seen = client.watch(name, every_seconds=60)
    assert next(seen)["state"] == "QUEUED"
    ended(service, name, StudyState.STOPPED)
    assert next(seen)["state"] == "STOPPED"
    assert client.wait(name)["ended"]


def test_wait_gives_up_in_time(client, name):
    submitted(client, name)
    with pytest.raises(steelyard.WaitTimeout, match="still QUEUED"):
        client.wait(name, timeout=0)


def test_a_client_is_a_context_manager(service):
    with steelyard.Client(service.url) as client:
        assert client.base_url == service.url
