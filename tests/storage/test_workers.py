"""Workers come, live, and go."""

from __future__ import annotations

import pytest

from storage import workers
from storage.database import Database
from storage.errors import WorkerNotFound
from tests.storage import scenes
from tests.storage.scenes import NOW, later


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
