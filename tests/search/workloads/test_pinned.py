"""A process imports the texts that were pinned, whatever the files hold by now."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.errors import PreflightError
from search.workloads import pinned, registry
from search.workloads.sources import sources_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(registry, "_used", {})
    yield tmp_path
    pinned.unpin([name for name in [*sys.modules, "p_ads", "p_helper"] if name not in known])


def pin(file: Path) -> None:
    sources = sources_of(str(file))
    assert sources is not None
    pinned.pin(sources.modules)


def test_a_changed_file_is_imported_as_it_was(folder: Path) -> None:
    (folder / "p_ads.py").write_text("import p_helper\nrate = p_helper.rate\n")
    (folder / "p_helper.py").write_text("rate = 1\n")
    pin(folder / "p_ads.py")
    (folder / "p_helper.py").write_text("rate = 2\n")
    module = importlib.import_module("p_ads")
    assert (module.rate, module.__file__) == (1, f"{folder}/p_ads.py")
    assert not (folder / "__pycache__").exists()


def test_a_fault_names_the_file_and_line(folder: Path) -> None:
    (folder / "p_ads.py").write_text("x = 1\ny = x / 0\n")
    pin(folder / "p_ads.py")
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("p_ads")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (f"{folder}/p_ads.py", 2)


def test_two_modules_of_one_name_are_refused_by_name(folder: Path) -> None:
    for part in ("one", "two"):
        (folder / part).mkdir()
        (folder / part / "p_ads.py").write_text("import p_helper\n")
        (folder / part / "p_helper.py").write_text("")
    pin(folder / "one" / "p_ads.py")
    with pytest.raises(PreflightError, match=r"'p_ads' of .*two/p_ads.py cannot be imported beside that of .*one/p_ads.py: rename"):
        pin(folder / "two" / "p_ads.py")


def test_a_workload_is_loaded_from_its_file(folder: Path) -> None:
    (folder / "p_ads.py").write_text("import p_helper\nclass Ads:\n    rate = p_helper.rate\n")
    (folder / "p_helper.py").write_text("rate = 3\n")
    environment = {"STEELYARD_WORKLOADS": f"ads={folder}/p_ads.py:Ads"}
    assert registry.places(environment)["ads"] == f"{folder}/p_ads.py:Ads"
    assert registry.load("ads", environment).rate == 3


def test_a_relative_file_is_meant_from_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert registry.places({"STEELYARD_WORKLOADS": "ads=p_ads.py"})["ads"] == f"{folder}/p_ads.py"


@pytest.mark.parametrize(
    ("file", "text", "message", "at"),
    [
        ("p_ads.py:Adz", "class Ads: pass\n", "p_ads.py has no attribute 'Adz' (did you mean 'Ads'?)", "p_ads.py"),
        (
            "p_ads.py",
            "import nowhere_to_be_found\n",
            "importing p_ads.py failed: ModuleNotFoundError: No module named",
            "p_ads.py:1",
        ),
        ("p_ads.py", "raise SystemExit(3)\n", "importing p_ads.py failed: SystemExit: 3", "p_ads.py:1"),
        ("p_gone.py", "", "there is no file", "p_gone.py"),
        ("json.py", "", "a file json.py hides the module 'json' of Python or of Steelyard: rename it", "json.py"),
        ("search.py", "", "a file search.py hides the module 'search' of Python or of Steelyard: rename it", "search.py"),
    ],
)
def test_what_cannot_be_loaded_is_said_with_its_file(folder: Path, file: str, text: str, message: str, at: str) -> None:
    (folder / "p_ads.py").write_text(text)
    with pytest.raises(PreflightError) as caught:
        registry.load("ads", {"STEELYARD_WORKLOADS": f"ads={folder}/{file}"})
    assert message in caught.value.reason.message
    assert caught.value.reason.at == at
