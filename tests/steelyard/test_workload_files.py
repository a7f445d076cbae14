"""`--workload NAME=FILE[:ATTRIBUTE]`: what it takes, and how a submission waits for a worker to describe the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from search.workloads.sources import sources_of
from search.workloads.watched import watched
from steelyard.cli import workload_files
from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.workload_files import add_to_environment, parsed, register_and_wait


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "ads.py").write_text("x = 1\n")
    return tmp_path / "ads.py"


def test_a_file_is_named_with_an_absolute_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert parsed("ads=ads.py:Ads") == ("ads", f"{file}:Ads")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ads", "expected NAME=FILE.py or NAME=FILE.py:ATTRIBUTE, got 'ads'"),
        ("ads=shop.ads", "expected NAME=FILE.py"),
        ("a b=ads.py", "expected NAME=FILE.py"),
        (f"{'a' * 65}=ads.py", "expected NAME=FILE.py"),
        ("digits=ads.py", "the name 'digits' is a built-in workload's"),
        ("ads=/nowhere/ads.py", "there is no file /nowhere/ads.py"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(CommandFailed, match=sentence):
        parsed(text)


def test_a_workload_of_a_server_replaces_the_one_of_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_WORKLOADS", "ads=shop.ads, other=shop.other")
    add_to_environment([f"ads={file}"])
    assert os.environ["STEELYARD_WORKLOADS"] == f" other=shop.other,ads={file}"


def test_a_path_that_cannot_be_handed_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a,b.py").write_text("")
    with pytest.raises(CommandFailed, match="has a comma in its path"):
        add_to_environment([f"ads={tmp_path}/a,b.py"])


class Service:
    """A client that hears of one workload, in turn."""

    def __init__(self, *turns: dict[str, Any] | None) -> None:
        self.turns = list(turns)

    def workloads(self) -> list[dict[str, Any]]:
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        return [] if turn is None else [{"name": "ads", "workers": 1, "error": None, "published_at": None, **turn}]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload_files, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(workload_files, "DESCRIBED_SECONDS", 0.05)


def version_of(file: Path) -> str:
    sources = sources_of(str(file))
    assert sources is not None
    return sources.version


def submitted(file: Path, *turns: dict[str, Any] | None) -> Service:
    service = Service(*turns)
    register_and_wait(service, [f"ads={file}"], str(file.parent / "data"))  # type: ignore[arg-type]
    return service


def test_a_submission_waits_until_a_worker_has_described_the_file_as_it_is(file: Path) -> None:
    service = submitted(file, None, {"version": "old"}, {"version": version_of(file)}, {"version": "not asked any more"})
    assert len(service.turns) == 1
    assert watched(file.parent / "data" / "workloads").places == {"ads": str(file)}


def test_a_file_that_cannot_be_described_ends_the_submission_with_its_line(file: Path) -> None:
    error = {"message": "NameError: x", "at": "ads.py:3"}
    with pytest.raises(CommandFailed, match=r"'ads' cannot be described: NameError: x \(at ads.py:3\)"):
        submitted(file, {"version": "old", "error": error}, {"version": version_of(file), "error": error})


@pytest.mark.parametrize("before", [None, {"version": "old"}])
def test_an_error_that_came_after_the_registration_ends_it_whatever_its_version(
    file: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any] | None
) -> None:
    monkeypatch.setattr(workload_files, "SETTLED_SECONDS", 0.0)
    with pytest.raises(CommandFailed, match="others may write it"):
        submitted(file, before, {"version": None, "error": {"message": "others may write it", "at": "ads.json"}})


def test_a_worker_that_trains_is_not_waited_for_for_ever(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(file, {"version": "old", "error": {"message": "an earlier error", "at": None}})
    assert "No worker has described ads as it is now within 0.05 s" in capsys.readouterr().err


def test_a_service_with_another_data_directory_is_named_as_the_reason(file: Path) -> None:
    with pytest.raises(CommandFailed, match=r"no worker has taken up the workload 'ads' .* a worker watches .*data/workloads"):
        submitted(file, None)
