"""What the training child is given, and what its parent sees of its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.out_of_memory import OomKills
from search.processes import RunningProcess
from search.worker import child_process as child_module
from search.worker.child_process import Child, ChildLost


def test_the_child_never_gets_the_databases_address(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://steelyard:secret@db/steelyard"
    monkeypatch.setenv("STEELYARD_DATABASE_URL", url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("STEELYARD_WORKLOADS", "ads=ads")
    given = child_module._environment("/somewhere", 1)
    assert "secret" not in " ".join(given.values())
    assert given["STEELYARD_WORKLOADS"] == "ads=ads"
    assert given["TMPDIR"] == "/somewhere/tmp"


def test_one_operation_has_as_many_threads_as_asked_for() -> None:
    assert child_module._environment("/somewhere", 2)["TF_NUM_INTRAOP_THREADS"] == "2"


def test_a_killed_child_is_lost_and_says_how() -> None:
    child = Child()
    try:
        child_module.processes.kill_group(child.pid)
        with pytest.raises(ChildLost, match="SIGKILL"):
            list(child.messages(30))
    finally:
        child.end()


def test_a_child_is_in_a_group_of_its_own_and_ends_with_it() -> None:
    child = Child()
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    child.end()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, signal.SIG_DFL)


@pytest.fixture
def bare_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have children run the script of this file, in place of TensorFlow; its first argument is the pipe."""
    monkeypatch.setattr(child_module, "RUNNER", "bare_child")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "bare_child.py"


def lost(child: Child) -> ChildLost:
    """Wait until a child is lost; return how."""
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            list(child.messages(0.2))
    except ChildLost as found:
        return found
    finally:
        child.end()
    raise AssertionError("the child goes on")


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("import os; os._exit(7)", "the training process ended with exit code 7"),
        ("import os; os.kill(os.getpid(), 15)", "the training process was ended by SIGTERM"),
    ],
)
def test_a_child_that_ends_itself_is_lost_as_it_ended(bare_child: Path, ends: str, message: str) -> None:
    bare_child.write_text(ends)
    found = lost(Child())
    assert (found.message, found.code, found.short_of_memory) == (message, "child_lost", False)


def test_a_child_that_kills_itself_is_not_called_short_of_memory(bare_child: Path) -> None:
    bare_child.write_text("import os; os.kill(os.getpid(), 9)")
    found = lost(Child())
    assert found.message.startswith("the training process was killed by SIGKILL; by whom is not known; it had used up to ")
    assert (found.code, found.short_of_memory) == ("child_lost", False)


def test_a_kill_that_was_counted_just_before_it_was_noticed_is_known(bare_child: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare_child.write_text("import time; time.sleep(60)")
    kills = [0]
    monkeypatch.setattr(OomKills, "so_far", classmethod(lambda cls: cls(kills[0], kills[0])))
    monkeypatch.setattr(child_module, "LOOK_SECONDS", 0.0)
    child = Child()
    kills[0] = 1  # the kernel kills, and counts
    os.kill(child.pid, signal.SIGKILL)
    found = lost(child)
    assert (found.code, found.short_of_memory) == ("out_of_memory", True)
    assert found.message.startswith("the training process was killed by the kernel: memory ran out; it had used up to ")


def test_a_child_that_holds_more_memory_than_it_may_is_lost_for_that(bare_child: Path) -> None:
    bare_child.write_text("import time; held = bytearray(300 << 20); time.sleep(60)")
    found = lost(Child(memory_bytes=100 << 20))
    assert (found.code, found.short_of_memory) == ("out_of_memory", True)
    assert found.message.endswith("of memory, more than the 0.1 GiB it may")


def test_what_a_child_started_ends_with_it_though_it_left_the_group(bare_child: Path, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    starts = f"""
import pathlib, subprocess, time
daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path({str(started)!r}).write_text(str(daemon.pid))
time.sleep(600)
"""
    bare_child.write_text(starts)
    child = Child()
    while not started.exists() or not started.read_text():
        time.sleep(0.02)
    child.end()
    found = RunningProcess.find(int(started.read_text()))
    assert found is None or found.is_zombie


BOUNDS = """
import resource
from search.processes import limit_resources
limit_resources()
print(*(resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)))
"""


def test_a_child_writes_no_core_file_and_has_bounds() -> None:
    said = subprocess.run([sys.executable, "-c", BOUNDS], capture_output=True, text=True, check=True).stdout
    core, files = map(int, said.split())
    assert core == 0
    assert files == min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
