"""The best-weights document, by definitions made by hand."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from search.definition.schema import StudyDefinition
from search.export.best_weights import Tried, Winner, best_weights, installed_versions
from search.export.reproduction import Published, how_to_use
from search.validation import normalize
from storage.records import Measured, Role, StudyRecord, StudyState, TrialRecord, TrialState, Values

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEARCHED = {"low": 0.01, "high": 100}


def loss(name: str, weight: Any = 1.0, kind: str = "mean_squared_error", **more: Any) -> dict[str, Any]:
    return {"name": name, "loss": kind, "weight": weight, **more}


def task(name: str, *losses: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "losses": list(losses), "metrics": ["mean_squared_error"], **more}


def penalty(name: str, first: str, second: str) -> dict[str, Any]:
    return {"name": name, "penalty": "consistency", "between": [{"task": first}, {"task": second}], "weight": SEARCHED}


def define(*tasks: dict[str, Any], **more: Any) -> StudyDefinition:
    """Return the normalised definition of these tasks, judged by the first one's metric."""
    document = {
        "workload": {"name": "mine"},
        "tasks": list(tasks),
        "objective": {"metrics": [{"metric": f"{tasks[0]['name']}.mean_squared_error"}]},
        **more,
    }
    return normalize.normalise(document, workloads={"mine": None}).definition


def used(
    definition: StudyDefinition, weights: Mapping[str, float], *outputs: str, own: frozenset[str] = frozenset()
) -> dict[str, Any]:
    return how_to_use(definition, weights, Published(outputs, own))


A, B = task("a", loss("l", SEARCHED)), task("b", loss("l"))
WEIGHTS = {"a.l": 0.5, "b.l": 2.0}


def test_one_loss_on_each_output_is_a_number_by_its_key() -> None:
    found = used(define(A, B), WEIGHTS, "a", "b")
    assert found["loss_weights"] == {"a": 0.5, "b": 2.0}
    assert found["reproduced_by"] == "compile"
    assert found["penalty_weights"] == {}
    assert "steelyard.apply" not in found["note"]


def test_an_output_without_a_loss_is_none() -> None:
    found = used(define(A, B), WEIGHTS, "a", "b", "features")
    assert found["loss_weights"] == {"a": 0.5, "b": 2.0, "features": None}


def test_keys_are_the_models_outputs_not_the_tasks() -> None:
    found = used(define(task("a", loss("l", SEARCHED), output="head", target="head"), B), WEIGHTS, "b", "head")
    assert found["loss_weights"] == {"b": 2.0, "head": 0.5}
    assert found["reproduced_by"] == "compile"


def test_several_losses_on_one_of_several_outputs_are_a_list() -> None:
    definition = define(
        task("mask", loss("dice", SEARCHED, "dice"), loss("ce", 1.0, "binary_crossentropy")), task("label", loss("l"))
    )
    found = used(definition, {"mask.dice": 1.0, "mask.ce": 0.5, "label.l": 0.25}, "label", "mask")
    assert found["loss_weights"] == {"label": 0.25, "mask": [1.0, 0.5]}
    assert found["reproduced_by"] == "compile"


def test_two_tasks_on_one_output_and_target_are_a_list() -> None:
    definition = define(
        task("near", loss("l", SEARCHED), output="y", target="y"), task("far", loss("l"), output="y", target="y"), B
    )
    found = used(definition, {"near.l": 1.0, "far.l": 0.5, "b.l": 2.0}, "b", "y")
    assert found["loss_weights"] == {"b": 2.0, "y": [1.0, 0.5]}


def test_a_task_that_only_a_penalty_reads_has_no_loss_weight() -> None:
    definition = define(A, task("b"), penalties=[penalty("agree", "a", "b")])
    found = used(definition, {"a.l": 0.5, "agree": 3.0}, "a", "b")
    assert found["loss_weights"] == {"a": 0.5, "b": None}


def test_a_penalty_is_what_compile_leaves_out() -> None:
    found = used(define(A, B, penalties=[penalty("agree", "a", "b")]), {**WEIGHTS, "agree": 3.0}, "a", "b")
    assert found["reproduced_by"] == "compile_and_penalties"
    assert found["penalty_weights"] == {"agree": 3.0}
    assert found["note"] == (
        "model.compile(loss_weights=...) alone leaves out: agree. steelyard.apply(model, best) trains what was tuned."
    )


def test_a_penalty_of_weight_zero_leaves_nothing_out() -> None:
    found = used(define(A, B, penalties=[penalty("agree", "a", "b")]), {**WEIGHTS, "agree": 0.0}, "a", "b")
    assert found["reproduced_by"] == "compile"
    assert found["penalty_weights"] == {"agree": 0.0}


@pytest.mark.parametrize(
    ("tasks", "outputs", "said"),
    [
        ([task("a", loss("l", SEARCHED), loss("m"))], ["a"], "2 losses on the only output a"),
        ([task("a", loss("l", SEARCHED), column=2, output="b", target="b"), B], ["b"], "task a reads column 2 of output b"),
        ([task("a", loss("l", SEARCHED), target="soft"), B], ["a", "b"], "task a compares output a with target soft"),
        ([task("a", loss("l", SEARCHED, target="teacher")), B], ["a", "b"], "loss a.l reads target teacher"),
        ([task("a", loss("l", SEARCHED, "physics")), B], ["a", "b"], "loss a.l is the workload's own"),
    ],
)
def test_what_compile_cannot_say_has_no_loss_weights(tasks: list[dict[str, Any]], outputs: list[str], said: str) -> None:
    definition = define(*tasks)
    weights = {f"{each.name}.{part.name}": 1.0 for each in definition.tasks for part in each.losses}
    found = used(definition, weights, *outputs)
    assert found["reproduced_by"] == "custom_loss"
    assert "loss_weights" not in found
    assert said in found["note"]
    assert "steelyard.apply(model, best)" in found["note"]


def test_labels_that_count_unequally_need_row_weights_and_the_note_says_which() -> None:
    tasks = task("a", loss("l", SEARCHED), missing=-1), task("b", loss("l"), missing="nan", class_weight="balanced")
    found = used(define(*tasks), WEIGHTS, "a", "b")
    assert (found["reproduced_by"], found["loss_weights"]) == ("compile_with_losses", {"a": 0.5, "b": 2.0})
    assert "a.l needs sample_weight 0, and a label, where y['a'] is -1" in found["note"]
    assert "b.l needs sample_weight 0, and any number, where y['b'] is NaN" in found["note"]
    assert "b.l needs sample_weight times n / (classes * count) on training rows" in found["note"]


def test_tasks_of_one_output_whose_labels_do_not_count_alike_are_beyond_compile() -> None:
    near = task("near", loss("l", SEARCHED), output="y", target="y", missing="nan")
    definition = define(near, task("far", loss("l"), output="y", target="y"), B)
    found = used(definition, {"near.l": 1.0, "far.l": 0.5, "b.l": 2.0}, "b", "y")
    assert found["reproduced_by"] == "custom_loss"
    assert "the labels of output y do not count alike in its tasks" in found["note"]


def test_a_workloads_own_loss_hides_the_catalogs_of_its_name() -> None:
    found = used(define(A, B), WEIGHTS, "a", "b", own=frozenset({"mean_squared_error"}))
    assert found["reproduced_by"] == "custom_loss"


def test_a_custom_loss_names_its_penalties_too() -> None:
    definition = define(task("a", loss("l", SEARCHED), target="soft"), B, penalties=[penalty("agree", "a", "b")])
    note = used(definition, {**WEIGHTS, "agree": 3.0}, "a", "b")["note"]
    assert "penalty agree" in note


SCHEDULE = {"shape": ["linear", "cosine"], "start": 0.5, "fraction": {"low": 0.1, "high": 0.9}}
DRAWN = {"a.l": 0.5, "a.l.schedule.shape": 1.0, "a.l.schedule.fraction": 0.25}


def test_a_loss_weight_that_moves_is_beyond_compile() -> None:
    definition = define(task("a", loss("l", {**SEARCHED, "schedule": SCHEDULE})), B)
    found = document(definition, trial(0, WEIGHTS, parameters=DRAWN))
    assert found["schedules"] == {"a.l": {"shape": "cosine", "start": 0.5, "fraction": 0.25}}
    assert found["reproduced_by"] == "custom_loss"
    assert "loss_weights" not in found
    assert found["note"] == (
        "model.compile(loss_weights=...) cannot say: the schedule of a.l (cosine, from 0.5 to 1 times its weight over 0.25 of the "
        "epochs). steelyard.apply(model, best) trains what was tuned."
    )


def test_a_penalty_that_moves_leaves_the_loss_weights_to_compile() -> None:
    moved = {**penalty("agree", "a", "b"), "weight": {**SEARCHED, "schedule": {}}}
    found = document(define(A, B, penalties=[moved]), trial(0, {**WEIGHTS, "agree": 3.0}, parameters={"a.l": 0.5, "agree": 3.0}))
    assert (found["reproduced_by"], found["loss_weights"]) == ("compile_and_penalties", {"a": 0.5, "b": 2.0})
    assert (
        "leaves out: agree, the schedule of agree (linear, from 0 to 1 times its weight over 0.3 of the epochs)." in found["note"]
    )


@pytest.mark.parametrize(
    ("schedule", "weight"), [({"shape": "constant"}, 0.5), ({"start": 1.0}, 0.5), ({}, 0.0)], ids=["constant", "from 1", "weight 0"]
)
def test_a_schedule_that_moves_nothing_is_told_and_left_to_compile(schedule: dict[str, Any], weight: float) -> None:
    definition = define(task("a", loss("l", {"low": 0, "high": 1, "schedule": schedule})), B)
    found = document(definition, trial(0, {**WEIGHTS, "a.l": weight}, parameters={"a.l": weight}))
    assert set(found["schedules"]) == {"a.l"}
    assert (found["reproduced_by"], found["loss_weights"]) == ("compile", {"a": weight, "b": 2.0})


def test_the_weights_of_a_rule_have_no_schedule() -> None:
    definition = define(task("a", loss("l", {**SEARCHED, "schedule": {}})), B)
    found = document(definition, trial(0, WEIGHTS, role=Role.BASELINE, rule="equal", parameters={"a.l": 1.0}))
    assert (found["schedules"], found["reproduced_by"]) == ({}, "compile")


def test_the_workload_is_told_with_where_its_code_is() -> None:
    code = {"place": "shop:Ads", "made": "without_options", "plain": True, "row_weights": False, "points": False}
    definition = define(A, B, workload={"name": "mine", "options": {}})
    found = document(definition, trial(0, WEIGHTS), description={"outputs": {"a": {}, "b": {}}, "code": code})
    assert found["workload"] == {"name": "mine", "options": {}, **code}
    assert document(definition, trial(0, WEIGHTS))["workload"] == {"name": "mine", "options": {}, "place": None}


OWN = {"outputs": {"a": {}, "b": {}}, "code": {"place": "ads:Ads", "sources": {"ads": "5" * 64}}}


def test_it_says_with_which_version_of_the_users_files_the_trial_was_trained() -> None:
    definition = define(A, B)
    tried = trial(3, WEIGHTS, workload_version="0123456789")
    found = document(definition, tried, description=OWN, workload_version="0123456789")
    assert found["workload"] == {"name": "mine", "options": {}, **OWN["code"], "version": "0123456789", "changed": False}
    assert "have changed" not in found["note"]


def test_it_says_that_the_users_files_have_changed_since() -> None:
    definition = define(A, B)
    tried = trial(3, WEIGHTS, workload_version="0123456789")
    found = document(definition, tried, description=OWN, workload_version="abcdefabcd")
    assert (found["workload"]["changed"], "sources" in found["workload"]) == (True, False)
    assert found["note"].endswith(
        "The files of workload mine have changed since trial 3 was trained (version 01234567, now abcdefab): weights found for the "
        "old ones need not be good for the new."
    )


def study(definition: StudyDefinition, state: StudyState = StudyState.RUNNING) -> StudyRecord:
    fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(StudyRecord)}
    known = {
        "id": 1,
        "name": "s",
        "state": state,
        "definition": normalize.to_storage(definition),
        "definition_sha256": "d",
        "problem_sha256": "p",
        "workload": "mine",
    }
    return StudyRecord(**{**fields, **known})


def trial(number: int, weights: Values, *, parameters: Values | None = None, **changes: Any) -> TrialRecord:
    fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(TrialRecord)}
    known: dict[str, Any] = {
        "number": number,
        "role": Role.SEARCH,
        "state": TrialState.COMPLETE,
        "seed": 7,
        "weights": weights,
        "parameters": parameters or {},
        "epochs": 10,
        "best_epoch": 4,
        "value": -0.25,
        "values": {"a.mean_squared_error": 0.25},
        "feasible": True,
        "violations": {},
        "by_seed": {},
        "created_at": NOW,
    }
    return TrialRecord(**{**fields, **known, **changes})


MEASURED = Measured(train={"a.l": 0.5}, validation={"a.l": 0.75, "a.mean_squared_error": 0.25})


def document(definition: StudyDefinition, best: TrialRecord, **more: Any) -> dict[str, Any]:
    return best_weights(Winner(study(definition), definition, Tried(best, MEASURED), **more))


def test_the_document_is_that_of_the_trial() -> None:
    definition = define(A, B)
    found = document(definition, trial(17, WEIGHTS, parameters={"a.l": 0.5}), versions={"keras": "3"})
    assert (found["format"], found["version"], found["trial"], found["seeds"], found["epoch"]) == (
        "steelyard/best-weights",
        1,
        17,
        [7],
        10,
    )
    assert (found["weights"], found["parameters"], found["shared"]) == (WEIGHTS, {"a.l": 0.5}, {})
    assert found["objective"] == {
        "aggregate": "mean",
        "value": -0.25,
        "values": {"a.mean_squared_error": 0.25},
        "feasible": True,
        "violations": {},
    }
    assert found["metrics"] == {"train": {"a.l": 0.5}, "validation": {"a.l": 0.75, "a.mean_squared_error": 0.25}, "test": {}}
    assert found["training"]["epochs"] == 10
    assert found["study"] == {"name": "s", "state": "RUNNING", "definition_sha256": "d", "problem_sha256": "p"}
    assert (found["confirmed"], found["picked_by"], found["schedules"], found["versions"]) == (
        False,
        "objective",
        {},
        {"keras": "3"},
    )


def test_the_terms_are_enough_to_read_the_definition_again() -> None:
    definition = define(A, B, penalties=[penalty("agree", "a", "b")])
    terms = document(definition, trial(0, {**WEIGHTS, "agree": 1.0}))["terms"]
    assert normalize.to_api(define(*terms["tasks"], penalties=terms["penalties"]))["tasks"] == terms["tasks"]
    assert terms["penalties"][0]["between"][0]["task"] == "a"


def test_terms_and_training_have_the_winners_numbers_in_place_of_ranges() -> None:
    optimizer = {"name": "adam", "config": {"learning_rate": {"low": 1e-4, "high": 1e-1}, "beta_1": 0.8}}
    robust = loss("robust", SEARCHED, "huber", config={"delta": {"values": [1.0, 3.0]}})
    definition = define(task("a", robust), training={"optimizer": optimizer})
    drawn = {"a.robust": 0.5, "a.robust.delta": 3.0, "optimizer.learning_rate": 0.02}
    best = document(definition, trial(3, {"a.robust": 0.5}, parameters=drawn))
    assert best["terms"]["tasks"][0]["losses"][0]["config"] == {"delta": 3.0}
    assert best["training"]["optimizer"]["config"] == {"learning_rate": 0.02, "beta_1": 0.8}
    assert best["parameters"] == drawn


def test_the_epoch_is_the_best_one_where_the_objective_says_so() -> None:
    objective = {"epoch": "best", "metrics": [{"metric": "a.mean_squared_error"}]}
    assert document(define(A, B, objective=objective), trial(0, WEIGHTS))["epoch"] == 4


def test_shared_weights_are_told_by_their_name() -> None:
    definition = define(
        task("a", loss("l", "walls")), task("b", loss("l", {"of": "walls", "times": 0.5})), weights={"walls": SEARCHED}
    )
    found = document(definition, trial(0, {"a.l": 4.0, "b.l": 2.0}, parameters={"walls": 4.0}))
    assert found["shared"] == {"walls": 4.0}
    assert found["loss_weights"] == {"a": 4.0, "b": 2.0}


@pytest.mark.parametrize(("state", "final"), [(StudyState.RUNNING, False), (StudyState.PAUSED, False), (StudyState.STOPPED, True)])
def test_it_is_final_once_the_study_has_ended(state: StudyState, final: bool) -> None:
    definition = define(A, B)
    assert best_weights(Winner(study(definition, state), definition, Tried(trial(0, WEIGHTS), MEASURED)))["final"] is final


def test_baselines_stand_beside_it_by_their_rule() -> None:
    current = trial(0, {"a.l": 1.0, "b.l": 1.0}, role=Role.BASELINE, rule="current")
    found = document(define(A, B), trial(3, WEIGHTS), baselines=[Tried(current, MEASURED)])
    assert found["baselines"]["current"]["trial"] == 0
    assert found["baselines"]["current"]["weights"] == {"a.l": 1.0, "b.l": 1.0}
    assert found["baselines"]["current"]["metrics"]["validation"] == {"a.l": 0.75, "a.mean_squared_error": 0.25}


def test_outputs_are_those_that_the_workload_published() -> None:
    found = document(define(A, B), trial(0, WEIGHTS), description={"outputs": {"b": {}, "a": {}, "z": {}}, "losses": []})
    assert list(found["loss_weights"].items()) == [("b", 2.0), ("a", 0.5), ("z", None)]


def test_outputs_are_those_of_the_tasks_where_nobody_published_them() -> None:
    assert document(define(A, B), trial(0, WEIGHTS))["loss_weights"] == {"a": 0.5, "b": 2.0}


def test_a_number_that_is_none_stays_what_it_is() -> None:
    found = document(define(A, B), trial(0, WEIGHTS, values={"a.mean_squared_error": math.nan}))
    assert math.isnan(found["objective"]["values"]["a.mean_squared_error"])


def test_versions_are_read_without_importing_anything() -> None:
    versions = installed_versions()
    assert set(versions) == {"steelyard", "keras", "tensorflow", "optuna"}
    assert versions["keras"]
    assert "tensorflow" not in sys.modules or versions["tensorflow"]
