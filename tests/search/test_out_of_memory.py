"""What is said of a process that was killed: what is known as known, a guess as a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from search import out_of_memory
from search.out_of_memory import GIB, OomKills, explain_kill, memory_limit

NONE_YET = OomKills(cgroup=3, machine=7)


def counted(monkeypatch: pytest.MonkeyPatch, cgroup: int | None, machine: int | None) -> None:
    monkeypatch.setattr(OomKills, "so_far", classmethod(lambda cls: cls(cgroup, machine)))
    monkeypatch.setattr(out_of_memory, "memory_limit", lambda: 10 * GIB)


def test_a_kill_that_its_own_cgroup_counts_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, 4, 8)
    kill = explain_kill(NONE_YET, 9 * GIB)
    assert (kill.known, kill.likely) == (True, True)
    assert kill.text == "was killed by the kernel: memory ran out; it had used up to 9.0 of 10.0 GiB"


def test_a_kill_that_only_the_machine_counts_is_probably_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, None, 8)
    kill = explain_kill(NONE_YET)
    assert (kill.known, kill.likely) == (False, True)
    assert "probably because memory ran out" in kill.text


def test_a_process_that_had_nearly_all_memory_was_perhaps_killed_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, 3, 7)
    kill = explain_kill(NONE_YET, 9 * GIB)
    assert (kill.known, kill.likely) == (False, True)
    assert "perhaps because memory ran out" in kill.text


@pytest.mark.parametrize(("cgroup", "machine"), [(3, 7), (None, None)])
def test_without_any_sign_memory_is_not_named(monkeypatch: pytest.MonkeyPatch, cgroup: int | None, machine: int | None) -> None:
    counted(monkeypatch, cgroup, machine)
    kill = explain_kill(OomKills(cgroup, machine), GIB)
    assert (kill.known, kill.likely) == (False, False)
    assert kill.text == "was killed by SIGKILL; by whom is not known; it had used up to 1.0 of 10.0 GiB"


UNIFIED = {
    "proc/self/cgroup": "0::/pod/worker\n",
    "cgroup/pod/worker/memory.events": "low 0\noom 2\noom_kill 5\n",
    "cgroup/pod/worker/memory.max": "1048576\n",
}
LEGACY = {
    "proc/self/cgroup": "8:pids:/\n4:memory:/pod\n0::/\n",
    "cgroup/memory/pod/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
    "cgroup/memory/pod/memory.limit_in_bytes": "1048576\n",
}
IN_A_CONTAINER = {
    "proc/self/cgroup": "0::/../somewhere\n",
    "cgroup/memory.events": "oom_kill 5\n",
    "cgroup/memory.max": "1048576\n",
}


BOUNDED_ABOVE = UNIFIED | {"cgroup/pod/worker/memory.max": "max\n", "cgroup/pod/memory.max": "1048576\n"}


@pytest.mark.parametrize(
    "files", [UNIFIED, LEGACY, IN_A_CONTAINER, BOUNDED_ABOVE], ids=["unified", "legacy", "container", "bounded above"]
)
def test_counters_and_limits_are_read_of_either_version_of_cgroups(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {**files, "proc/vmstat": "nr_free_pages 1\noom_kill 9\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(out_of_memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(out_of_memory, "PROC", tmp_path / "proc")
    assert OomKills.so_far() == OomKills(5, 9)
    assert memory_limit() == 1 << 20


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(out_of_memory, "PROC", tmp_path)
    assert OomKills.so_far() == OomKills(None, None)
    assert memory_limit() > 1 << 20
