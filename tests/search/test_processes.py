"""Orphans that a process has adopted are let go of when they have ended, and a worker models on one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search import processes
from search.processes import ResidentMemory

ADOPTS = """
import os, subprocess, time
from search.processes import RunningProcess, adopt_orphans, reap_orphans

adopt_orphans()
starts = "import subprocess; print(subprocess.Popen(['sleep', '0.2']).pid)"
orphan = int(subprocess.run(["python3", "-c", starts], stdout=subprocess.PIPE, check=True).stdout)
own = subprocess.Popen(["true"])
while not ((found := RunningProcess.find(orphan)) and found.is_zombie):
    time.sleep(0.01)
reap_orphans({own.pid})
print(RunningProcess.find(orphan), own.wait())
"""


def test_an_orphan_is_waited_for_and_what_the_process_started_itself_is_not() -> None:
    said = subprocess.run([sys.executable, "-c", ADOPTS], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["None", "0"]


THREADS = """
import os, sys
import steelyard.logs
from steelyard.cli.main import main

def configured():
    import numpy
    numpy.ones((1500, 1500)) @ numpy.ones((1500, 1500))
    print(os.environ["OPENBLAS_NUM_THREADS"], len(os.listdir("/proc/self/task")))
    raise SystemExit

assert "numpy" not in sys.modules
steelyard.logs.configure_logs = configured  # called when all that a worker needs is imported
sys.argv = ["steelyard", "worker", "--data-dir", sys.argv[1]]
main()
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the threads of a process are counted in /proc")
@pytest.mark.parametrize(("given", "found"), [({}, ["1", "1"]), ({"OPENBLAS_NUM_THREADS": "2"}, ["2", "2"])], ids=["no", "yes"])
def test_a_worker_has_one_thread_of_linear_algebra_unless_its_user_says_otherwise(
    tmp_path: Path, given: dict[str, str], found: list[str]
) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", THREADS, str(tmp_path)]
    said = subprocess.run(command, env={**plain, **given}, capture_output=True, text=True, check=False, timeout=60)
    assert said.stdout.split() == found, said.stderr


STATUS = "Name:\tpython\nVmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1536 kB\nThreads:\t3\n"


def test_a_process_s_memory_is_that_of_its_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/status").write_text(STATUS)
    assert ResidentMemory.find(7) == ResidentMemory(1536 * 1024, 2048 * 1024)


@pytest.mark.parametrize("status", ["Name:\tpython\nState:\tZ (zombie)\n", None], ids=["ended", "gone"])
def test_a_process_that_has_ended_has_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str | None) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    if status is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7/status").write_text(status)
    assert ResidentMemory.find(7) is None
