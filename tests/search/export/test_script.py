"""The text of a file that trains a study's winner: `script(best)`. That it reaches the numbers is tested end to end."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from search.definition.schema import Penalty, StudyDefinition, Task
from search.errors import PreflightError
from search.export.script import interval, needed, script, source_of
from tests.search.definitions import flagship
from tests.search.export.test_best_weights import define, document, loss, task, trial

CODE = {"place": "search.workloads.digits:Digits", "made": "with_options", "plain": True, "row_weights": False, "points": False}
SEARCHED = {"low": 0.01, "high": 100}
RUFF = [sys.executable, "-m", "ruff"]
RULES = ["--isolated", "--line-length", "132"]
LINTED = ["--select", "E,F,W,I,B,UP,C4,SIM,PT,RUF,A,N,PIE,RET"]
DIGIT = task("digit", loss("crossentropy", 1.0, "sparse_categorical_crossentropy")) | {"metrics": ["accuracy"]}
PARITY = task("parity", loss("crossentropy", SEARCHED, "binary_crossentropy")) | {"metrics": ["accuracy", "auc"]}
AGREEMENT = {
    "name": "agreement",
    "penalty": "consistency",
    "between": [{"task": "digit", "classes": [1, 3]}, {"task": "parity"}],
    "weight": {"low": 0.0, "high": 10.0},
}
WEIGHTS = {"digit.crossentropy": 1.0, "parity.crossentropy": 0.31, "agreement": 2.5}
VALUES = {"digit.accuracy": 0.5, "parity.accuracy": 0.75}


def best(*tasks: dict[str, Any], code: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the document of a winner with weights 1 and 0.31, as JSON has it; `changes` are put over it."""
    more = {name: changes.pop(name) for name in ("penalties", "training") if name in changes}
    judged = {"objective": {"metrics": [{"metric": "parity.accuracy"}]}}
    definition = define(*(tasks or (DIGIT, PARITY)), **judged, **more)
    paths = [f"{each.name}.{part.name}" for each in definition.tasks for part in each.losses]
    used = {path: WEIGHTS.get(path, 1.0) for path in [*paths, *(penalty.name for penalty in definition.penalties)]}
    outputs = {each.used_output: {} for each in definition.tasks}
    values = changes.pop("values", VALUES)
    found = document(
        definition,
        trial(3, used, values=values),
        description={"outputs": outputs, "code": {**CODE, **(code or {})}},
    )
    return {**json.loads(json.dumps(found)), **changes}


def confirmation(**more: Any) -> dict[str, Any]:
    spread = {"mean": 0.5, "std": 0.25, "n": 4}
    candidate = {"value": spread, "metrics": dict.fromkeys(VALUES, spread)}
    return {"split": "test", "seeds": [11, 12, 13, 14], "candidates": {"trial 3": candidate, "current": candidate}, **more}


def constants(text: str) -> dict[str, Any]:
    """Return the file's assignments of plain values."""
    found = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign):
            try:
                found[ast.unparse(statement.targets[0])] = ast.literal_eval(statement.value)
            except ValueError:
                continue
    return found


OWN_FILES = {"name": "mine", "options": {}, "place": "s_shop:Ads", "made": "without_options", "plain": True, "version": "v1"}

ALL = {
    "plain": best(),
    "confirmed": best(confirmation=confirmation()),
    "best epoch": best(confirmation=confirmation(epochs={"11": 3, "12": 4, "13": 9, "14": 1})),
    "logits": best(DIGIT | {"from_logits": True}, PARITY | {"from_logits": True}),
    "penalties": best(penalties=[AGREEMENT]),
    "weights of rows": best(code={"plain": False, "row_weights": True}),
    "a module": best(code={"place": "shop.ads", "made": "as_is"}),
    "a name of the file's own": best(code={"place": "train", "made": "as_is"}),
    "no options": best(code={"place": "shop:Ads.Small", "made": "without_options"}),
    "own files": best(workload={**OWN_FILES, "changed": False, "sources": {"s_shop": "0" * 64, "s_shop_parts": "1" * 64}}),
    "changed files": best(workload={**OWN_FILES, "changed": True}),
    "a published place alone": best(workload={"name": "digits", "options": {}, "place": "search.workloads.digits:Digits"}),
}


@pytest.mark.parametrize("name", ALL)
def test_it_is_python_as_ruff_would_have_it_and_short(name: str, tmp_path: Path) -> None:
    text = script(ALL[name])
    compile(text, "train.py", "exec")
    file = tmp_path / "again.py"
    file.write_text(text)
    for command in (["check", *RULES, *LINTED], ["format", *RULES, "--diff"]):
        ran = subprocess.run([*RUFF, *command, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout
    assert len(text.splitlines()) <= 125


def test_where_compile_is_enough_it_is_plain_keras() -> None:
    text = script(best())
    assert "steelyard." not in text.replace("`steelyard best", "")
    assert "from search.workloads.digits import Digits\n" in text
    assert 'LOSSES = {"digit": keras.losses.SparseCategoricalCrossentropy(), "parity": keras.losses.BinaryCrossentropy()}' in text
    assert constants(text)["LOSS_WEIGHTS"] == {"digit": 1.0, "parity": 0.31}
    assert "workload = Digits(Digits.Options())\n" in text
    assert "keras.optimizers.Adam()" in text


def test_options_and_optimizer_are_the_studys() -> None:
    optimizer = {"name": "sgd", "config": {"learning_rate": 0.5, "momentum": 0.9}}
    text = script(best(training={"epochs": 7, "batch_size": 16, "optimizer": optimizer}, epoch=7))
    assert "optimizer=keras.optimizers.SGD(learning_rate=0.5, momentum=0.9)" in text
    found = constants(text)
    assert (found["EPOCHS"], found["BATCH_SIZE"], found["SEEDS"]) == (7, 16, [7])
    chosen = best()
    chosen["workload"]["options"] = {"model": "cnn", "hidden": [8]}
    assert 'workload = Digits(Digits.Options(model="cnn", hidden=[8]))' in script(chosen)
    chosen["workload"]["options"] = {"a b": 1}
    assert 'workload = Digits(Digits.Options.model_validate({"a b": 1}))' in script(chosen)


@pytest.mark.parametrize(
    ("place", "made", "imported", "used"),
    [
        ("shop:Ads", "without_options", "from shop import Ads", "workload = Ads()"),
        ("shop.ads", "as_is", "from shop import ads", "workload = ads"),
        ("ads", "as_is", "import ads", "workload = ads"),
        ("shop:box.ads", "as_is", "from shop import box", "workload = box.ads"),
        ("train:DATA", "as_is", "from train import DATA as DATA_workload", "workload = DATA_workload"),
    ],
)
def test_an_own_workload_is_imported_from_where_it_was_published(place: str, made: str, imported: str, used: str) -> None:
    lines = script(best(code={"place": place, "made": made})).splitlines()
    assert imported in lines
    assert used in lines


def test_a_penalty_is_trained_by_apply_on_the_part_of_the_document_that_it_reads() -> None:
    text = script(best(penalties=[AGREEMENT]))
    assert "# model.compile(loss_weights=...) alone leaves out: agreement." in text
    assert "steelyard.apply(model, BEST, workload=workload)" in text
    read = constants(text)["BEST"]
    assert read["weights"] == WEIGHTS
    assert read["terms"]["penalties"] == [{key: value for key, value in AGREEMENT.items() if key != "weight"}]
    assert read["terms"]["tasks"][1]["metrics"] == ["accuracy"]
    assert "low" not in text


def test_what_apply_needs_is_read_as_the_whole_document_is() -> None:
    definition = StudyDefinition.model_validate(flagship())
    found = document(definition, trial(0, {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 1.0}))
    short = needed(
        {**found, "objective": {"values": {f"{each.name}.{m.name}": 0 for each in definition.tasks for m in each.metrics}}}
    )
    for kind, model in (("tasks", Task), ("penalties", Penalty)):
        read = [model.model_validate(each) for each in short["terms"][kind]]
        whole = [model.model_validate(each) for each in found["terms"][kind]]
        assert [_bare(each) for each in read] == [_bare(each) for each in whole]


def _bare(part: Any) -> Any:
    """Return a task or penalty without weights and directions, which are the search's."""
    dropped = {"weight", "direction"}

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items() if key not in dropped}
        return [without(item) for item in value] if isinstance(value, list) else value

    return without(part.model_dump(mode="json"))


def test_schedules_are_part_of_what_apply_reads() -> None:
    schedules = {"parity.crossentropy": {"shape": "linear", "start": 0.0, "fraction": 0.5}}
    text = script(best(schedules=schedules, reproduced_by="custom_loss"))
    assert constants(text)["BEST"]["schedules"] == schedules


@pytest.mark.parametrize(
    "document_",
    [
        best(code={"plain": False}),
        best(code={"made": "bound"}),
        best(DIGIT | {"metrics": ["mean_io_u", "accuracy"]}, PARITY, values={"digit.mean_io_u": 0.5}),
        best(DIGIT | {"metrics": [{"name": "mse", "metric": "mse"}, "accuracy"]}, PARITY, values={"digit.mse": 0.5}),
        best(values={"digit.accuracy": 0.5, "agreement.violations": 0.1}),
        best(task("digit", loss("l", SEARCHED)) | {"from_logits": True}, PARITY, values={"parity.accuracy": 0.5}),
        best(weights={"digit.crossentropy": 0.0, "parity.crossentropy": 1.0}),
    ],
    ids=["data", "bound", "classes counted", "other labels", "violations", "loss on probabilities", "weight 0"],
)
def test_what_plain_keras_would_train_or_measure_otherwise_is_left_to_steelyard(document_: dict[str, Any]) -> None:
    assert "steelyard.apply" in script(document_)


def test_raw_losses_and_metrics_on_logits_are_measured_by_keras() -> None:
    values = {"digit.accuracy": 0.5, "parity.crossentropy": 0.25, "parity.auc": 0.75}
    text = script(best(DIGIT | {"from_logits": True}, PARITY | {"from_logits": True}, values=values))
    assert 'keras.losses.BinaryCrossentropy(from_logits=True), y["parity"], predicted["parity"])' in text
    assert 'keras.metrics.AUC(), y["parity"], probabilities(predicted["parity"]))' in text


def test_a_confirmed_winner_is_trained_on_its_seeds_and_held_against_its_interval() -> None:
    """t(0.975; 3) = 3.1824 (a table of quantiles), so 0.5 -+ 3.1824 * 0.25 / sqrt(4), and 1e-4 of the mean for rounding."""
    text = script(best(confirmation=confirmation()))
    found = constants(text)
    half = 3.1824 * 0.25 / 2 + 0.5e-4
    assert (found["SEEDS"], found["EPOCHS"], found["STATED_SPLIT"]) == ([11, 12, 13, 14], 10, "test")
    assert found["STATED"]["digit.accuracy"] == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-5)
    assert "# Mean over 4 seeds on the test split, and its 95 % interval (t over seeds)." in text


def test_a_number_that_is_none_is_not_stated() -> None:
    confirmed = confirmation()
    confirmed["candidates"]["trial 3"]["metrics"] = {"digit.accuracy": {"mean": None, "std": None, "n": 0}}
    assert constants(script(best(confirmation=confirmed)))["STATED"] == {}


def test_where_each_trainings_best_epoch_counts_each_seed_has_its_own() -> None:
    text = script(best(confirmation=confirmation(epochs={"11": 3, "12": 4, "13": 9, "14": 1})))
    assert constants(text)["EPOCHS"] == {11: 3, 12: 4, 13: 9, 14: 1}
    assert "for epoch in range(EPOCHS[seed]):" in text


def test_a_baseline_that_won_is_held_against_its_own_interval() -> None:
    confirmed = confirmation()
    confirmed["candidates"].pop("trial 3")
    won = best(confirmation=confirmed, baselines={"current": {"trial": 3}})
    assert set(constants(script(won))["STATED"]) == set(VALUES)


def test_without_a_confirmation_it_states_what_the_one_training_measured() -> None:
    metrics = {"train": {}, "validation": {**VALUES, "parity.auc": 0.9}, "test": {}}
    found = constants(script(best(metrics=metrics)))
    assert (found["SEEDS"], found["STATED"]) == ([7], VALUES)


@pytest.mark.parametrize(
    ("training", "decides"),
    [
        ({}, "under a seed: that decides its initial weights, and the order of rows in every epoch."),
        ({"shuffle": False}, "under a seed: that decides its initial weights."),
        (
            {"initial_weights": "fixed"},
            "under a seed: that decides the order of rows in every epoch. All start from the same weights.",
        ),
        (
            {"initial_weights": "fixed", "shuffle": False},
            "under a seed: all start from the same weights and take the rows in the same order.",
        ),
    ],
)
def test_the_file_says_what_a_seed_decides(training: dict[str, Any], decides: str) -> None:
    assert f'"""Return a model trained {decides}"""' in script(best(training=training))


def test_rows_that_are_not_shuffled_are_trained_as_they_come() -> None:
    for penalties in ([], [AGREEMENT]):
        kept, shuffled = (script(best(penalties=penalties, training={"shuffle": shuffle})) for shuffle in (False, True))
        assert "order = np.arange(len(" in kept
        assert "permutation" not in kept
        assert "order = np.random.default_rng([seed, epoch]).permutation(len(" in shuffled


def test_an_interval_without_spread_is_as_wide_as_rounding() -> None:
    assert interval(2.0, 0.0, 3) == (2.0, 1.9998, 2.0002)
    assert not any(map(math.isnan, interval(0.0, 0.0, 2)))


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ({"name": "mine", "options": {}, "place": None}, "no worker has published where the workload 'mine' is"),
        ({"name": "pinn", "options": {}, "place": "pinn", "points": True}, "'pinn' has point sets"),
    ],
)
def test_a_workload_that_no_file_can_train_is_refused(workload: dict[str, Any], said: str) -> None:
    with pytest.raises(PreflightError, match=said):
        source_of(workload)


def test_the_file_says_which_of_the_workloads_modules_have_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    sources = {}
    for name in ("s_same", "s_edited", "s_gone"):
        (tmp_path / f"{name}.py").write_text(f"x = '{name}'\n")
        sources[name] = hashlib.sha256((tmp_path / f"{name}.py").read_bytes()).hexdigest()
    sources |= {"s_parts.one": "0" * 64, "s_folder": "0" * 64}  # the package is gone, and a folder in a module's place
    (tmp_path / "s_folder").mkdir()
    text = script(best(workload={**OWN_FILES, "changed": False, "sources": sources}))
    (tmp_path / "s_edited.py").write_text("x = 2\n")
    (tmp_path / "s_gone.py").unlink()
    wanted = ("hashlib", "importlib.util", "pathlib", "SOURCES", "warn_of_changes")
    parts = [ast.unparse(part) for part in ast.parse(text).body]
    scope: dict[str, Any] = {}
    exec("\n".join(part for part in parts[1:-1] if any(name in part.split("(")[0] for name in wanted)), scope)
    scope["warn_of_changes"]()
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in sorted(said)] == ["s_edited", "s_folder", "s_gone", "s_parts.one"]
    assert ast.unparse(ast.parse(text).body[-1]).splitlines()[1:] == ["    warn_of_changes()", "    main()"]


def test_a_file_over_a_workload_that_has_changed_says_so() -> None:
    assert "The workload's files have changed since: the numbers may differ." in script(ALL["changed files"])
