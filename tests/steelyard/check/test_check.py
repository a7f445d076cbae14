"""`steelyard workload check`: what it says of a sound workload, and of thirty mistakes with the file and line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search.errors import PreflightError
from search.validation.normalize import normalise
from search.workloads import pinned, registry
from steelyard.check.examine import examined, name_of
from steelyard.cli.main import app
from tests.steelyard.check.mistakes import BUILD, MISTAKES, RETURNED, SOUND


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(registry, "_used", {})
    yield tmp_path
    pinned.unpin(["c_shop"])


def write(folder: Path, text: str = SOUND) -> str:
    file = folder / "c_shop.py"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_with_file_and_line(folder: Path, mistake: str) -> None:
    old, new, sentence, line = MISTAKES[mistake]
    text = SOUND.replace(old, new, 1)
    with pytest.raises(PreflightError) as caught:
        examined(write(folder, text), {}, train=False)
    reason = caught.value.reason
    assert sentence in reason.message
    assert "\n" not in reason.message
    assert reason.at == f"c_shop.py:{text[: text.index(line)].count(chr(10)) + 1}"


def test_a_sound_workload_trains_alike_by_fit_and_by_the_engine_and_has_a_study_to_start_from(folder: Path) -> None:
    result = CliRunner().invoke(app, ["workload", "check", write(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["labels"]["train"]["kind"]["counts"] == {"0": 7, "1": 7, "2": 6}
    assert found["labels"]["validation"]["size"]["kind"] == "numbers"
    assert found["rows"] == {"train": 20, "validation": 20, "test": 20}
    assert found["parameters"] == found["trainable_parameters"] == 3 * 3 + 3
    comparison = found["comparison"]
    assert set(comparison["terms"]) == {"kind.main", "size.main"}
    assert comparison["largest_difference"] == max(each["difference"] for each in comparison["terms"].values()) < 1e-5
    assert comparison["speed_up"] > 0
    study = normalise(found["study"], workloads={"c_shop": None}).definition
    assert [task.name for task in study.tasks] == ["kind", "size"]


def test_row_weights_and_own_penalties_are_compared_too(folder: Path) -> None:
    own = "def apart(batch):\n    return keras.ops.mean(batch.outputs['kind'])\n\n\npenalties = {'apart': apart}\n"
    text = SOUND.replace("part = X, {", "part = X, {", 1).replace('"size": SIZE}', '"size": SIZE}, {"size": np.arange(20.0)}')
    found = examined(write(folder, f"{text}\n\n{own}"), {})
    assert set(found["comparison"]["terms"]) == {"kind.main", "size.main", "apart"}
    assert found["comparison"]["largest_difference"] < 1e-5
    assert found["labels"]["train"]["size"]["missing"] == 1


def test_an_output_that_gives_logits_is_found(folder: Path) -> None:
    found = examined(write(folder, SOUND.replace(', "softmax"', "")), {}, train=False)
    assert found["study"]["tasks"][0]["from_logits"] is True
    assert any("its output gives numbers that are no probabilities" in warning for warning in found["warnings"])


def test_a_study_of_ones_own_is_checked_with_the_workload(folder: Path) -> None:
    given = examined(write(folder), {}, train=False)["study"]
    pinned.unpin(["c_shop"])
    given["tasks"][0]["losses"][0]["loss"] = "categorical_crossentropy"
    with pytest.raises(PreflightError) as caught:
        examined(write(folder), {}, given, train=False)
    assert caught.value.reason.at == "tasks.0.losses.0"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("c_shop", "c_shop"),
        ("digits", "digits-file"),
        ("my ads", "my-ads"),
        ("_ads", "ads"),
        ("\u5e83\u544a", "workload"),
        ("a" * 80, "a" * 59),
        ("loss", "loss-file"),
    ],
)
def test_a_file_of_any_name_is_checked_under_a_name_that_a_study_can_have(stem: str, name: str) -> None:
    assert name_of(stem) == name


def test_a_file_with_a_built_in_name_is_checked_itself(folder: Path) -> None:
    (folder / "digits.py").write_text(SOUND)
    found = examined(f"{folder}/digits.py", {}, train=False)
    pinned.unpin(["digits"])
    assert (found["workload"]["name"], found["rows"]["train"]) == ("digits-file", 20)


def test_a_file_that_python_cannot_import_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "c_shop.v2.py").write_text(SOUND)
    with pytest.raises(PreflightError, match=r"cannot import a file c_shop\.v2\.py, for its name has a dot before \.py: rename it"):
        examined(f"{folder}/c_shop.v2.py", {}, train=False)


def test_an_argument_that_is_searched_is_compared_at_its_usual_value(folder: Path) -> None:
    study = examined(write(folder), {}, train=False)["study"]
    pinned.unpin(["c_shop"])
    study["training"]["optimizer"] = {"name": "sgd", "config": {"learning_rate": {"low": 0.001, "high": 0.1, "current": 0.01}}}
    found = examined(write(folder), {}, study)
    assert found["comparison"]["largest_difference"] < 1e-5


def test_what_fit_cannot_train_is_a_warning(folder: Path) -> None:
    own = "def apart(batch):\n    return keras.ops.mean(batch.outputs['kind']) + keras.ops.mean(batch.extra['e'])\n\n\n"
    text = SOUND.replace('"test": part}', '"test": part, "extra": {"e": (X, 4)}}')
    found = examined(write(folder, f"{text}\n\n{own}penalties = {{'apart': apart}}\n"), {})
    assert found["comparison"] is None
    assert any("by fit, which has no point sets" in warning for warning in found["warnings"])


def test_a_fault_ends_the_command_with_file_and_line(folder: Path) -> None:
    text = SOUND.replace(RETURNED, "pass")
    result = CliRunner().invoke(app, ["workload", "check", write(folder, text), "--json"])
    line = text[: text.index(BUILD)].count("\n") + 1
    assert result.exit_code == 1
    assert result.stderr == f"steelyard: c_shop.py:{line}: build_model() should return a new keras.Model, got a NoneType\n"
    assert json.loads(result.stdout)["error"]["at"] == f"c_shop.py:{line}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ads"], "FILE is a Python file such as ads.py or ads.py:Ads, got 'ads'"),
        (["/nowhere/ads.py"], "there is no file /nowhere/ads.py"),
        ([__file__, "--options", "{"], "--options is not JSON"),
    ],
)
def test_what_is_no_file_is_refused(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["workload", "check", *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
