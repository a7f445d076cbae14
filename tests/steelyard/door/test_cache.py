"""The user's cache folder: private, swept of what dead processes left, shown and cleared by a command."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.door import cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return cache.cache_folder()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_folders_are_open_to_their_user_alone(folder: Path) -> None:
    for each in (folder, cache.new_run_folder(folder)):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700


def test_what_a_dead_process_left_is_swept_and_what_a_live_one_has_stays(folder: Path) -> None:
    left = folder / cache.RUNS / f"{dead_pid()}@{socket.gethostname()}-aa"
    elsewhere = folder / cache.RUNS / f"{dead_pid()}@another-machine-aa"
    left.mkdir()
    elsewhere.mkdir()
    mine, again = cache.new_run_folder(folder), cache.new_run_folder(folder)
    assert not left.exists()
    assert elsewhere.exists()
    assert mine.exists()
    assert again.exists()
    assert cache.running_calls(folder) == [os.getpid()]


def test_what_is_known_of_a_call_is_found_by_its_study(folder: Path) -> None:
    cache.remember(folder, "first", {"study": "first"})
    cache.remember(folder, "second", {"study": "second"})
    assert cache.remembered(folder, "first") == {"study": "first"}
    assert cache.remembered(folder, "third") is None
    assert {each["study"] for each in cache.remembered_calls(folder)} == {"first", "second"}


def test_the_cache_is_shown_and_cleared(folder: Path) -> None:
    (folder / cache.DATABASE).write_text("x" * 10)
    (folder / cache.SERVICE).write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": dead_pid()}))
    cache.remember(folder, "first", {"study": "first"})
    shown = cache.contents(folder)
    assert (shown["calls"], shown["service"]) == (1, None)
    assert shown["bytes"] > 10
    cache.clear(folder)
    assert cache.contents(folder)["calls"] == 0
    assert not (folder / cache.DATABASE).exists()


def test_the_command_does_not_clear_while_a_call_runs(folder: Path) -> None:
    cache.new_run_folder(folder)
    ran = subprocess.run([sys.executable, "-m", "steelyard", "cache", "--clear"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert f"a call still runs (process {os.getpid()})" in ran.stderr
    shown = subprocess.run([sys.executable, "-m", "steelyard", "cache"], capture_output=True, text=True, check=False)
    assert json.loads(shown.stdout)["folder"] == str(folder)
