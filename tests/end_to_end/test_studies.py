"""Whole studies through a real service: POST, train, query, best weights; on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.service import Service, until
from tests.end_to_end.studies import flagship, grid, regression


def _rows(service: Service, name: str, role: str = "search") -> list[dict]:
    return [trial for trial in service.trials(name) if trial["role"] == role]


def test_the_flagship_ends_complete_with_its_budget_and_the_users_own_weights_beside_it(answering: Service) -> None:
    name = answering.submit(flagship())
    study = answering.finished(name)
    trials = answering.trials(name)
    assert study["state"] == "COMPLETE", study["reason"]
    assert sorted(trial["number"] for trial in trials) == list(range(33))
    assert Counter((trial["role"], trial["rule"]) for trial in trials) == {("search", None): 32, ("baseline", "current"): 1}
    best = answering.get(f"/v1/studies/{name}/best")
    row = answering.get(f"/v1/studies/{name}/trials/{best['trial']}")
    assert best["final"]
    assert best["metrics"] == row["metrics"]
    assert best["weights"] == row["weights"]
    assert best["objective"]["value"] == max(trial["objective"]["value"] for trial in trials)
    assert 0.01 <= best["loss_weights"]["parity"] <= 100
    assert 0 <= best["penalty_weights"]["agreement"] <= 10
    assert [epoch["epoch"] for epoch in row["intermediate_values"]] == list(range(11))


def test_best_answers_while_the_study_runs(answering: Service) -> None:
    name = answering.submit(flagship(trials=200))
    answers = []

    def answered() -> bool:
        answers.append(httpx.get(f"{answering.url}/v1/studies/{name}/best"))
        return answers[-1].status_code == 200

    until(answered, "a trial is complete")
    assert {answer.json()["type"].rpartition("/")[2] for answer in answers[:-1]} <= {"no-trial-yet"}
    assert not answers[-1].json()["final"]
    answering.post(f"/v1/studies/{name}/cancel")
    assert answering.finished(name)["state"] == "CANCELLED"


def test_a_grid_under_two_workers_has_every_point_once_though_a_worker_is_killed(answering: Service) -> None:
    name = answering.submit(grid(4))
    until(lambda: answering.get(f"/v1/studies/{name}")["progress"]["trials"]["COMPLETE"] >= 4, "some trials are complete")
    random.Random(0).choice(answering.worker_processes()).kill()
    study = answering.finished(name)
    trials = _rows(answering, name)
    assert study["state"] == "COMPLETE", study["reason"]
    assert len(trials) == len({tuple(sorted(trial["weights"].items())) for trial in trials}) == 16
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    until(lambda: len(answering.worker_processes()) == 2, "the dead worker is replaced")


def test_a_strangers_workload_of_a_dozen_lines_runs(answering: Service) -> None:
    name = answering.submit(regression())
    study = answering.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    assert len(_rows(answering, name)) == 4


def test_a_worker_that_has_trained_says_how_much_memory_it_holds_and_what_it_has_traced(answering: Service) -> None:
    name = answering.submit(regression())
    answering.finished(name)
    until(lambda: bool(_warm(answering, name)), "the worker that trained the study has sent a heartbeat")
    worker = _warm(answering, name)[0]
    process = next(each for each in answering.worker_processes() if each.pid == worker["pid"])
    resident = sum(each.memory_info().rss for each in [process, *process.children()])
    assert worker["memory_bytes"] == pytest.approx(resident, rel=0.5)  # it goes on growing and shrinking
    assert worker["peak_memory_bytes"] >= worker["memory_bytes"]
    traces = worker["traces"]
    assert traces["made"] >= traces["kept"] >= 2
    assert 0 < traces["seconds"] < traces["work_seconds"]


def _warm(service: Service, name: str) -> list[dict[str, Any]]:
    """Return the live workers that keep graphs of a study."""
    live = [each for each in service.get("/v1/workers")["workers"] if each["alive"] and each["traces"]]
    return [each for each in live if name in {kept["study"] for kept in each["traces"]["warm"]}]


def test_a_loss_that_raises_fails_the_study_and_names_file_and_line(answering: Service) -> None:
    study = answering.finished(answering.submit(regression("raises", loss="broken")))
    assert study["state"] == "FAILED"
    assert study["reason"]["at"].endswith("raises.py:7")
    assert "undefined_name" in study["reason"]["message"]


def test_a_workload_that_lacks_a_file_is_refused_until_the_file_is_there(answering: Service) -> None:
    file = Path(answering.environment["STEELYARD_DATA"]) / "rows.csv"

    def error() -> Any:
        return next(each["error"] for each in answering.get("/v1/workloads")["workloads"] if each["name"] == "needs-file")

    until(lambda: error() is not None, "a worker says what is missing")
    refused = answering.post("/v1/studies", regression("needs-file"))
    assert refused.status_code == 422
    assert "rows.csv" in refused.json()["detail"]
    assert "needs_file.py:11" in refused.json()["detail"]
    file.write_text("here")
    until(lambda: error() is None, "a worker has tried again")
    assert answering.finished(answering.submit(regression("needs-file")))["state"] == "COMPLETE"


def test_a_complete_study_goes_on_when_its_budget_is_raised(answering: Service) -> None:
    name = answering.submit(regression(trials=3))
    answering.finished(name)
    httpx.patch(f"{answering.url}/v1/studies/{name}", json={"trials": 6}).raise_for_status()
    study = answering.finished(name)
    assert study["state"] == "COMPLETE"
    assert len(_rows(answering, name)) == 6


def test_a_diverging_setting_ends_diverged_and_leaves_the_others(answering: Service) -> None:
    definition = regression(weight={"values": [1.0, 1e12]}, epochs=2, sampler={"name": "grid"}, trials=None)
    definition["training"]["optimizer"] = {"name": "sgd", "config": {"learning_rate": 0.01}}
    name = answering.submit(definition)
    answering.finished(name)
    states = {trial["weights"]["cool.error"]: trial["state"] for trial in _rows(answering, name)}
    assert states == {1.0: "COMPLETE", 1e12: "DIVERGED"}


def test_cancel_ends_what_runs(answering: Service) -> None:
    name = answering.submit(regression(trials=50, epochs=5000))
    until(lambda: answering.get(f"/v1/studies/{name}")["progress"]["trials"]["RUNNING"] > 0, "trials run")
    assert answering.post(f"/v1/studies/{name}/cancel").json()["state"] == "CANCELLED"
    assert {trial["state"] for trial in _rows(answering, name)} == {"CANCELLED"}
    after = answering.finished(answering.submit(regression(trials=1)))
    assert after["state"] == "COMPLETE"


def test_minimising_the_weighted_loss_is_refused_with_the_reason_why(answering: Service) -> None:
    definition = regression()
    definition["objective"] = {"metrics": [{"metric": "val_loss", "direction": "minimize"}]}
    answer = answering.post("/v1/studies", definition)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "objective.metrics.0.metric"
    assert "depends on the searched weights" in fault["expected"]


def test_a_training_process_that_is_killed_is_replaced_and_its_trials_trained_again(answering: Service) -> None:
    name = answering.submit(regression(trials=8, epochs=150))
    until(lambda: answering.get(f"/v1/studies/{name}")["progress"]["epochs"] > 0, "the first epochs are reported")
    before = answering.worker_processes()
    for worker in before:
        for child in worker.children():
            child.kill()
    study = answering.finished(name)
    trials = _rows(answering, name)
    assert study["state"] == "COMPLETE", study["reason"]
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    assert max(trial["attempt"] for trial in trials) >= 2
    assert {worker.pid for worker in answering.worker_processes()} == {worker.pid for worker in before}


def test_a_trial_on_two_seeds_has_the_means_of_two_studies_on_one(answering: Service) -> None:
    several = {**grid(2), "name": "on-two-seeds"}
    several["search"] = {**several["search"], "seeds": 2, "baselines": []}
    name = answering.submit(several)
    assert answering.finished(name)["state"] == "COMPLETE"
    both = _rows(answering, name)
    seeds = both[0]["seeds"]
    alone = []
    for seed in seeds:
        one = grid(2)
        one["search"] = {**one["search"], "seed": seed, "baselines": []}
        single = answering.submit(one)
        assert answering.finished(single)["state"] == "COMPLETE"
        alone.append({str(trial["weights"]): trial for trial in _rows(answering, single)})
    assert len(seeds) == len(alone) == 2
    assert len(both) == 4
    for trial in both:
        apart = [found[str(trial["weights"])] for found in alone]
        assert list(trial["by_seed"].values()) == pytest.approx([each["objective"]["value"] for each in apart])
        for split in ("train", "validation"):
            for path, value in trial["metrics"][split].items():
                assert value == pytest.approx(sum(each["metrics"][split][path] for each in apart) / 2)  # float32
