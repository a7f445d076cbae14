"""Workers come, live, and go."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from storage import workers
from storage.database import Database
from storage.errors import WorkerNotFound
from storage.fleet_records import Traces, WarmStudy, WorkerUsage
from tests.storage import scenes
from tests.storage.scenes import NOW, later

USAGE = WorkerUsage(5 << 30, 6 << 30, Traces(8, 2.5, 30.25, (WarmStudy("ads", 4), WarmStudy("digits", 2))))


def test_a_registered_worker_is_listed(database: Database) -> None:
    with database.writing() as session:
        registered = workers.register(session, name="w1", host="here", pid=11, version="0.1", workloads=["digits", "mask"], now=NOW)
        assert workers.list_workers(session, NOW) == [registered]
    assert (registered.name, registered.host, registered.pid, registered.version) == ("w1", "here", 11, "0.1")
    assert (registered.workloads, registered.state, registered.alive) == (("digits", "mask"), "starting", True)


def test_the_same_name_again_is_another_worker(database: Database) -> None:
    with database.writing() as session:
        assert scenes.register(session, "w1") < scenes.register(session, "w1")


@pytest.mark.parametrize(("seconds", "alive"), [(59.9, True), (60, False)])
def test_a_worker_is_alive_for_a_minute_after_its_heartbeat(database: Database, seconds: float, alive: bool) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        workers.heartbeat(session, worker, "busy", later(100))
        [found] = workers.list_workers(session, later(100 + seconds))
        live = workers.live_workloads(session, later(100 + seconds))
    assert (found.state, found.alive) == ("busy", alive)
    assert live == ({"digits": 1} if alive else {})


def test_a_worker_that_ended_is_not_alive(database: Database) -> None:
    with database.writing() as session:
        workers.deregister(session, scenes.register(session), later(1))
        [found] = workers.list_workers(session, later(1))
        assert workers.live_workloads(session, later(1)) == {}
    assert (found.alive, found.state, found.stopped_at) == (False, "stopped", later(1))


def test_a_worker_that_is_long_gone_is_not_listed(database: Database) -> None:
    with database.writing() as session:
        scenes.register(session)
        assert workers.list_workers(session, later(24 * 3600)) == []


def test_live_workloads_count_workers(database: Database) -> None:
    with database.writing() as session:
        scenes.register(session, "w1", ["digits", "digits"])
        scenes.register(session, "w2", ["digits", "mask"])
        assert workers.live_workloads(session, NOW) == {"digits": 2, "mask": 1}


def test_an_unknown_worker_is_not_found(database: Database) -> None:
    with database.writing() as session:
        with pytest.raises(WorkerNotFound):
            workers.heartbeat(session, 404, "idle", NOW)
        with pytest.raises(WorkerNotFound):
            workers.deregister(session, 404, NOW)


def test_a_workers_workloads_are_those_it_said_last(database: Database) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        workers.set_workloads(session, worker, ["digits", "ads"])
        assert workers.live_workloads(session, NOW) == {"digits": 1, "ads": 1}


def used(session: Session) -> WorkerUsage:
    """Return what the one worker uses, as it is listed."""
    [found] = workers.list_workers(session, later(1))
    return WorkerUsage(found.memory_bytes, found.peak_memory_bytes, found.traces)


def test_a_worker_uses_what_it_said_with_its_last_heartbeat(database: Database) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        assert used(session) == WorkerUsage()
        workers.heartbeat(session, worker, "busy", NOW, WorkerUsage(1, 2, Traces()))
        workers.heartbeat(session, worker, "busy", NOW, USAGE)
        assert used(session) == USAGE


def test_what_a_worker_does_not_know_of_itself_any_more_is_not_known(database: Database) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        workers.heartbeat(session, worker, "busy", NOW, USAGE)
        workers.heartbeat(session, worker, "idle", NOW, WorkerUsage(traces=Traces(2, 0.5, 1.5)))
        assert used(session) == WorkerUsage(traces=Traces(2, 0.5, 1.5))


def test_a_worker_that_ended_holds_nothing_and_its_peak_is_kept(database: Database) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        workers.heartbeat(session, worker, "busy", NOW, USAGE)
        workers.deregister(session, worker, NOW)
        assert used(session) == WorkerUsage(peak_memory_bytes=6 << 30)
