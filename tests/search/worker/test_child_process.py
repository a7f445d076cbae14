"""What the training child is given, and what its parent sees of its end."""

from __future__ import annotations

import signal

import pytest

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
    import os

    child = Child()
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    child.end()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, signal.SIG_DFL)
