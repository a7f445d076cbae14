"""A worker sees which workloads come, change and go while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.worker import registered_workloads
from search.worker.registered_workloads import RegisteredWorkloads
from search.workloads.registry import BUILT_IN
from search.workloads.watched import register


class Clock:
    """A clock that is a look later each time it is asked to be."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "ads.py").write_text("import parts\n")
    (tmp_path / "parts.py").write_text("x = 1\n")
    return tmp_path


def look(registered: RegisteredWorkloads, clock: Clock) -> frozenset[str]:
    clock.at += 1
    return registered.look()


def test_what_is_registered_while_it_works_is_taken_up_and_forgotten(shop: Path, clock: Clock) -> None:
    folder = shop / "workloads"
    registered = RegisteredWorkloads(str(folder), clock)
    assert registered.names == tuple(BUILT_IN)
    file = register(folder, "ads", f"{shop}/ads.py")
    assert registered.look() == frozenset()  # not due yet
    assert look(registered, clock) == {"ads"}
    assert registered.names == (*BUILT_IN, "ads")
    assert set(registered.versions) == {"ads"}
    file.unlink()
    assert look(registered, clock) == {"ads"}
    assert registered.names == tuple(BUILT_IN)


def test_a_changed_file_is_another_version_and_the_earlier_one_is_kept(shop: Path, clock: Clock) -> None:
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    first = registered.versions["ads"]
    assert look(registered, clock) == frozenset()
    (shop / "parts.py").write_text("x = 22\n")
    assert look(registered, clock) == {"ads"}
    second = registered.versions["ads"]
    assert registered.kept == {("ads", first), ("ads", second)}
    texts = [registered.sources("ads", version) for version in (first, second, None)]
    assert [sources.modules["parts"].text for sources in texts if sources] == ["x = 1\n", "x = 22\n", "x = 22\n"]


@pytest.mark.parametrize(("limit", "value"), [("MOST_VERSIONS", 3), ("MOST_BYTES", 100)])
def test_what_was_asked_for_least_recently_is_let_go_of_and_never_the_current_version(
    shop: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(registered_workloads, limit, value)  # a version takes 13 bytes and those of parts: 33
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    seen = []
    for place in range(6):
        (shop / "parts.py").write_text(str(place) * 20)
        look(registered, clock)
        seen.append(registered.versions["ads"])
        registered.sources("ads", seen[0])
    assert registered.kept == {("ads", version) for version in (seen[0], seen[4], seen[5])}


def test_eight_saves_leave_the_version_of_a_study(shop: Path, clock: Clock) -> None:
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    first = registered.versions["ads"]
    for place in range(12):
        (shop / "parts.py").write_text("x" * (place + 1))
        look(registered, clock)
    assert ("ads", first) in registered.kept


def test_a_file_that_is_not_there_is_no_version(shop: Path, clock: Clock) -> None:
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    first = registered.versions["ads"]
    (shop / "ads.py").unlink()
    assert look(registered, clock) == {"ads"}
    assert (registered.versions, registered.kept) == ({}, {("ads", first)})
    found = registered.sources("ads")
    assert found is not None
    assert not found.modules


def test_a_look_that_takes_long_is_not_repeated_soon(shop: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    places = registered._places

    def slow() -> dict[str, str]:
        clock.at += 0.5
        return places()

    monkeypatch.setattr(registered, "_places", slow)
    clock.at = 1.0
    registered.look()
    (shop / "parts.py").write_text("x = 22\n")
    clock.at = 10.9  # 20 times as long has not passed
    assert registered.look() == frozenset()
    clock.at = 11.0
    assert registered.look() == {"ads"}


def test_a_built_in_name_and_a_file_that_does_not_count_are_faults(shop: Path, clock: Clock) -> None:
    register(shop / "workloads", "digits", f"{shop}/ads.py")
    register(shop / "workloads", "ads", f"{shop}/ads.py").chmod(0o666)
    registered = RegisteredWorkloads(str(shop / "workloads"), clock)
    assert registered.names == tuple(BUILT_IN)
    assert set(registered.faults) == {"digits", "ads"}
    assert "built-in" in registered.faults["digits"]


def test_a_worker_of_one_call_watches_no_folder(shop: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    register(shop / "workloads", "ads", f"{shop}/ads.py")
    monkeypatch.setenv("STEELYARD_PRIVATE_WORKLOAD", f"call={shop}")
    assert RegisteredWorkloads(str(shop / "workloads"), clock).names == ("call",)
