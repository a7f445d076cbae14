"""Which workloads there are, and what is said where one cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from search.errors import PreflightError
from search.workloads import registry

OWN = {"STEELYARD_WORKLOADS": " ads = shop.ads:Ads , plain=plain"}


def _refusal(environment: dict[str, str], name: str = "") -> PreflightError:
    with pytest.raises(PreflightError) as caught:
        registry.load(name, environment) if name else registry.names(environment)
    return caught.value


def test_built_in_workloads_come_first_then_the_operators() -> None:
    assert registry.names(OWN) == ("digits", "digits-overlay", "digits-mask", "quadratics", "ads", "plain")
    assert registry.places(OWN)["ads"] == "shop.ads:Ads"


@pytest.mark.parametrize("text", ["ads", "ads=", "=shop:Ads", "a b=shop"])
def test_an_entry_that_cannot_be_read(text: str) -> None:
    assert f"expected name=module:attribute or name=file.py:attribute, got {text!r}" in str(_refusal({"STEELYARD_WORKLOADS": text}))


@pytest.mark.parametrize("text", ["digits=mine", "ads=one,ads=two"])
def test_a_name_that_is_taken(text: str) -> None:
    assert "is taken by" in str(_refusal({"STEELYARD_WORKLOADS": text}))


def test_a_module_of_the_current_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nearby_shop.py").write_text("class Ads:\n    class Inner:\n        name = 'inner'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    environment = {"STEELYARD_WORKLOADS": "ads=nearby_shop:Ads.Inner,shop=nearby_shop"}
    assert registry.load("ads", environment).name == "inner"
    assert registry.load("shop", environment).__name__ == "nearby_shop"


def test_an_unknown_name_is_reported_with_the_nearest() -> None:
    error = _refusal({}, "digit")
    assert error.reason.code == "unknown_workload"
    assert "did you mean 'digits'?" in str(error)


def test_a_file_that_was_not_there_is_not_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_used", {})
    monkeypatch.setattr(registry, "_absent", set())
    registry.use("ads", f"{tmp_path}/ads.py", there=False)
    (tmp_path / "ads.py").write_text("x = 1\n")
    assert "workload 'ads': there is no file" in str(_refusal({}, "ads"))


def test_a_failing_import_is_named_with_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_shop.py").write_text("import os\n\nrate = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    reason = _refusal({"STEELYARD_WORKLOADS": "ads=failing_shop:Ads"}, "ads").reason
    assert (reason.code, reason.at) == ("workload_import_failed", "failing_shop.py:3")
    assert reason.message == "workload 'ads': importing failing_shop failed: ZeroDivisionError: division by zero"


def test_a_syntax_error_is_named_with_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "garbled_shop.py").write_text("x = 1\ny = = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal({"STEELYARD_WORKLOADS": "ads=garbled_shop"}, "ads").reason.at == "garbled_shop.py:2"


def test_a_missing_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty_shop.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "empty_shop has no attribute 'Ads'" in str(_refusal({"STEELYARD_WORKLOADS": "ads=empty_shop:Ads"}, "ads"))


def test_the_names_are_known_without_tensorflow() -> None:
    seen = "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    code = f"import sys; from search.workloads import base, data, registry; registry.names(); {seen}"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "False"]
