"""PostgreSQL behind a network that delays, stalls, resets and cuts a commit, and killed: bounded waits, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from storage import leases, outcomes, studies, study_rows, trial_rows
from storage.database import Database, wait_for_ever
from storage.errors import LeaseLost, StorageUnavailable
from storage.migrations import migrate
from storage.records import TrialState
from tests.storage import scenes
from tests.storage.own_server import OwnServer, own_server
from tests.storage.proxy import FaultyProxy, socket_of
from tests.storage.scenes import NOW


@pytest.fixture
def near(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty PostgreSQL, asked directly."""
    database = Database(request.getfixturevalue("empty_postgres_url"))
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def proxy(near: Database) -> Iterator[FaultyProxy]:
    made = FaultyProxy(socket_of(near.url.render_as_string(hide_password=False)))
    yield made
    made.close()


@pytest.fixture
def far(near: Database, proxy: FaultyProxy) -> Iterator[Database]:
    """Give the same database behind the proxy, patient for half a second."""
    url = near.url.set(drivername="postgresql", host="127.0.0.1", port=proxy.port, query={})
    database = Database(url.render_as_string(hide_password=False), answer_seconds=0.5)
    yield database
    database.close()


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(text("SELECT name FROM studies ORDER BY id")))


def create(database: Database, name: str) -> None:
    with database.writing() as session:
        scenes.create(session, name)


def test_a_connection_that_migrated_is_bounded_again(far: Database) -> None:
    with far.writing() as session:
        wait_for_ever(session)
        migrated: Any = session.connection().connection.driver_connection
        assert migrated.answer_seconds is None
    with far.writing() as session:
        again: Any = session.connection().connection.driver_connection
        assert again is migrated
        assert again.answer_seconds == 0.5


def test_a_slow_network_is_only_slow(far: Database, proxy: FaultyProxy) -> None:
    proxy.delay_seconds = 0.02
    create(far, "slow")
    assert names(far) == ["slow"]


def test_a_network_that_swallows_everything_is_not_waited_for_for_ever(far: Database, near: Database, proxy: FaultyProxy) -> None:
    assert names(far) == []
    proxy.stalled = True
    with pytest.raises(StorageUnavailable):
        create(far, "swallowed")
    proxy.reset()
    proxy.stalled = False
    create(far, "after")
    assert names(near) == ["after"]


def test_reset_connections_heal_by_themselves(far: Database, proxy: FaultyProxy) -> None:
    create(far, "before")
    proxy.reset()
    assert names(far) == ["before"]


def test_a_reset_within_a_transaction_leaves_nothing(far: Database, near: Database, proxy: FaultyProxy) -> None:
    def lose() -> None:
        with far.writing() as session:
            scenes.create(session, "half")
            proxy.reset()

    with pytest.raises(StorageUnavailable):
        lose()
    assert names(near) == []


def test_a_server_that_refuses_is_unavailable_and_later_there(far: Database, proxy: FaultyProxy) -> None:
    proxy.refusing = True
    with pytest.raises(StorageUnavailable):
        names(far)
    proxy.refusing = False
    assert names(far) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_that_was_cut_is_read_again_by_its_token(far: Database, near: Database, proxy: FaultyProxy, after: bool) -> None:
    """Whether the server heard the commit or not, saying it again leaves one result, and the lease is lost where it had."""
    running = scenes.running(near, 2)

    def report(value: float) -> None:
        with far.writing() as session:
            outcomes.record_outcomes(session, running.token, [scenes.outcome(n, value) for n in (0, 1)], NOW)
            leases.complete(session, running.token, NOW)

    with far.reading() as session:  # a connection is open
        session.execute(text("SELECT 1"))
    proxy.cut_after, proxy.cut_before = after, not after
    with pytest.raises(StorageUnavailable):
        report(0.5)
    assert proxy.cuts == 1
    if after:
        with pytest.raises(LeaseLost):
            report(0.75)
    else:
        report(0.75)
    found = [scenes.trial_of(near, running, number) for number in (0, 1)]
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 2
    assert {trial.value for trial in found} == {0.5 if after else 0.75}
    with near.reading() as session:
        assert study_rows.get_study(session, "study").sequence == 2


# A server of its own, to be killed


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as made:
        yield made


def test_a_killed_server_loses_no_committed_row_and_is_found_again(server: OwnServer) -> None:
    database = Database(server.url)
    migrate(database)
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, 0.5)], NOW)
    server.kill()
    with pytest.raises(StorageUnavailable):
        names(database)
    server.start_again()
    assert names(database) == ["study"]
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(1, 0.75)], NOW)
        leases.complete(session, running.token, NOW)
    with database.reading() as session:
        found = trial_rows.trials_of(session, running.study.id)
        assert studies.claimable(session, ["digits"])
    database.close()
    assert [(trial.state, trial.value) for trial in found] == [(TrialState.COMPLETE, 0.5), (TrialState.COMPLETE, 0.75)]
