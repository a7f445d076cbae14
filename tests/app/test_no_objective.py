"""Trials that are trained to their last epoch and have no finite objective: from the child's report to the study's end and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from search.training.interface import EpochReport
from storage import records
from storage.events import events_after
from storage.records import Role
from tests.app.scenes import Bench, problem
from tests.search.worker.test_worker import PREPARED, TRAINED, Scene, ended

STUDY, BEST = "/v1/studies/x", "/v1/studies/x/best"
DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
UNDEFINED = "parity.binary_accuracy is undefined on validation"

Make = Callable[..., Scene]


@pytest.fixture
def make(database_url: str) -> Iterator[Make]:
    """Give a function that makes the study x of 3 search trials, its worker, and a script for its child."""
    made: list[Scene] = []

    def scene(objective: Any = None, **search: Any) -> Scene:
        made.append(Scene(database_url, objective, **search))
        made[-1].play([PREPARED])
        return made[-1]

    yield scene
    for each in made:
        each.close()


def epoch(parity: dict[int, float | None], number: int = 10) -> EpochReport:
    """Report an epoch with these accuracies of parity (None: undefined); digit's is 0.9 for all."""
    count = len(parity)
    terms = {path: [0.5] * count for path in ("digit.crossentropy", "parity.crossentropy", "agreement")}
    measured = [records.UNDEFINED if value is None else value for value in parity.values()]
    metrics = {DIGIT: [0.9] * count, PARITY: measured, "agreement.violations": [0.0] * count}
    return EpochReport(number, list(parity), 0.1, terms, terms | metrics)


def play(scene: Scene, parity: dict[int, float | None]) -> None:
    scene.play([epoch(parity), *map(ended, parity), TRAINED])


def state_of(bench: Bench, number: int) -> tuple[str, str | None]:
    trial = bench.get(f"{STUDY}/trials/{number}")
    return trial["state"], trial["reason"] and trial["reason"]["code"]


def test_a_study_in_which_no_trial_has_an_objective_fails_with_the_metric(bench: Bench, make: Make) -> None:
    scene = make()
    play(scene, dict.fromkeys(range(4)))
    assert scene.claim() is None
    study = bench.get(STUDY)
    assert (study["state"], study["reason"]["code"], study["best"]) == ("FAILED", "no_trial_complete", None)
    assert study["reason"]["message"] == f"not one of 3 search trials is complete: 3 FAILED; {UNDEFINED}"
    assert (study["progress"]["trials"]["FAILED"], study["progress"]["trials"]["COMPLETE"]) == (4, 0)
    assert UNDEFINED in problem(bench.client.get(BEST), 409, "no-trial")["detail"]


def test_such_a_trial_keeps_its_numbers(bench: Bench, make: Make) -> None:
    play(make(), dict.fromkeys(range(4)))
    trial = bench.get(f"{STUDY}/trials/1")
    assert (trial["state"], trial["ended"], trial["epochs"], trial["attempt"]) == ("FAILED", True, 10, 1)
    assert trial["reason"] == {"code": "no_objective", "message": UNDEFINED, "at": None}
    assert trial["objective"]["values"] == {DIGIT: 0.9, PARITY: None}
    assert trial["metrics"]["validation"][DIGIT] == 0.9
    assert trial["intermediate_values"][-1]["validation"][DIGIT] == 0.9
    assert trial["not_finite"] == {
        "objective.value": "nan",
        "by_seed.0": "nan",
        f"objective.values.{PARITY}": "undefined",
        f"metrics.validation.{PARITY}": "undefined",
    }


def test_the_study_is_complete_and_has_a_best_as_soon_as_one_trial_has_an_objective(bench: Bench, make: Make) -> None:
    scene = make()
    play(scene, {0: None, 1: None, 2: 0.7, 3: None})
    assert scene.claim() is None
    study = bench.get(STUDY)
    assert (study["state"], study["reason"], study["best"]["number"]) == ("COMPLETE", None, 2)
    assert bench.get(BEST)["trial"] == 2
    assert [state_of(bench, number) for number in range(4)] == [
        ("FAILED", "no_objective"),
        ("FAILED", "no_objective"),
        ("COMPLETE", None),
        ("FAILED", "no_objective"),
    ]


def test_a_front_needs_every_optimised_metric(bench: Bench, make: Make) -> None:
    scene = make({"aggregate": "pareto"})
    play(scene, {0: None, 1: None, 2: 0.7, 3: None})
    assert scene.claim() is None
    assert bench.get(STUDY)["state"] == "COMPLETE"
    assert [trial["number"] for trial in bench.get(f"{STUDY}/pareto")["trials"]] == [2]
    assert problem(bench.client.get(BEST), 409, "several-best")["picks"]["knee"] == 2


def test_a_front_that_no_trial_is_on_is_a_failed_study(bench: Bench, make: Make) -> None:
    scene = make({"aggregate": "pareto"})
    play(scene, dict.fromkeys(range(4)))
    assert scene.claim() is None
    assert bench.get(STUDY)["state"] == "FAILED"
    for path in (BEST, f"{BEST}?pick=knee", f"{BEST}?pick=objective"):
        assert UNDEFINED in problem(bench.client.get(path), 409, "no-trial")["detail"]
    assert bench.get(f"{STUDY}/pareto")["trials"] == []


def test_retrying_trains_none_of_them_again_and_the_study_ends_as_before(bench: Bench, make: Make) -> None:
    scene = make()
    play(scene, dict.fromkeys(range(4)))
    scene.claim()
    before = bench.get(STUDY)
    assert bench.client.post(f"{STUDY}/retry").json()["state"] == "RUNNING"
    assert [state_of(bench, number)[0] for number in range(4)] == ["FAILED"] * 4
    assert scene.claim() is None
    after = bench.get(STUDY)
    assert {key: after[key] for key in ("state", "reason", "progress")} == {
        key: before[key] for key in ("state", "reason", "progress")
    }


def test_another_objective_may_judge_them(bench: Bench, make: Make) -> None:
    scene = make()
    play(scene, dict.fromkeys(range(4)))
    scene.claim()
    ranked = bench.client.post(f"{STUDY}/rank", json={"objective": {"metrics": [{"metric": DIGIT}]}}).json()
    assert (ranked["ranked"], ranked["best"]) == (4, 0)
    assert [trial["objective"]["value"] for trial in ranked["trials"]] == [0.9] * 4


def test_trials_that_ended_before_the_references_are_judged_once_those_are_in(bench: Bench, make: Make) -> None:
    """Of `current` and two search trials one can be judged; the references, numbers 1 and 2, need no objective."""
    scene = make({"aggregate": "delta_m"}, references={"seeds": 1}, trials=2, baselines=[])
    work = scene.claim()
    assert work is not None
    assert [trial.role for trial in work.trials] == [Role.BASELINE, Role.REFERENCE, Role.REFERENCE, Role.SEARCH]
    scene.do(work, [epoch({0: None, 1: 0.5, 2: 0.8, 3: None}), *map(ended, range(4)), TRAINED])
    assert [state_of(bench, number) for number in range(4)] == [("COMPLETE", None)] * 4
    late = scene.claim()
    assert late is not None
    assert [state_of(bench, number)[0] for number in range(4)] == ["FAILED", "COMPLETE", "COMPLETE", "FAILED"]
    assert state_of(bench, 3)[1] == "no_objective"
    with scene.database.reading() as session:
        states = [event.body for event in events_after(session, scene.study().id, 0, 100)]
    assert [body["state"] for body in states if body.get("number") == 3] == ["RUNNING", "COMPLETE", "FAILED"]
    scene.do(late, [epoch({4: 0.8}), ended(4), TRAINED])
    assert scene.claim() is None
    assert (bench.get(STUDY)["state"], bench.get(BEST)["trial"]) == ("COMPLETE", 4)


def test_a_confirmation_keeps_its_end_and_the_seed_counts_against_its_finalist(bench: Bench, make: Make) -> None:
    scene = make(trials=1, baselines=[], confirmation={"top": 1, "seeds": 2})
    play(scene, {0: 0.5, 1: 0.7})
    work = scene.claim()
    assert work is not None
    assert [(trial.role, trial.confirms) for trial in work.trials] == [(Role.CONFIRMATION, 1), (Role.CONFIRMATION, 0)] * 2
    scene.do(work, [epoch({2: None, 3: 0.5, 4: 0.7, 5: 0.5}), *map(ended, range(2, 6)), TRAINED])
    assert [state_of(bench, number) for number in range(2, 6)] == [("COMPLETE", None)] * 4
    assert scene.claim() is None
    assert (bench.get(STUDY)["state"], bench.get(BEST)["trial"]) == ("COMPLETE", 1)
