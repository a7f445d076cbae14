"""The reaper in the API process."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from app.main import create_app
from app.settings import ApiSettings
from app.sweeper import Sweeper, sweep
from storage.database import Database
from storage.errors import StorageBusy
from tests.app.scenes import NAME, Bench, on_sqlite


def test_an_expired_lease_is_reaped_and_its_trials_wait_again(bench: Bench, database_url: str) -> None:
    bench.submit()
    bench.plan(2)
    bench.start()
    later = Database(database_url, clock=lambda now: now + timedelta(seconds=61))
    assert sweep(later) == (1, 0)
    later.close()
    assert bench.get(f"/v1/studies/{NAME}")["progress"]["trials"]["WAITING"] == 2


def test_a_lease_that_stands_is_left(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.start()
    assert sweep(bench.database) == (0, 0)


def test_a_stopping_study_is_stopped_once_nothing_runs(bench: Bench, database_url: str) -> None:
    bench.submit()
    bench.plan(1)
    bench.start()
    bench.client.post(f"/v1/studies/{NAME}/stop")
    later = Database(database_url, clock=lambda now: now + timedelta(seconds=61))
    sweep(later)
    later.close()
    assert bench.get(f"/v1/studies/{NAME}")["state"] == "STOPPED"


@pytest.mark.parametrize("error", [StorageBusy(), RuntimeError("a mistake")])
def test_a_sweep_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, database: Database, error: Exception) -> None:
    swept = threading.Semaphore(0)

    def failing(_: Database) -> tuple[int, int]:
        swept.release()
        raise error

    monkeypatch.setattr("app.sweeper.sweep", failing)
    sweeper = Sweeper(database, seconds=0.001)
    sweeper.start()
    found = [swept.acquire(timeout=10) for _ in range(3)]
    sweeper.close()
    assert found == [True, True, True]


def test_the_service_sweeps_while_it_runs(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    from tests.app.conftest import TestClient

    swept = threading.Event()
    monkeypatch.setattr("app.sweeper.sweep", lambda _: swept.set())
    with TestClient(create_app(ApiSettings(database_url=database_url, sweep_seconds=0.001))):
        assert swept.wait(10)


@on_sqlite
def test_what_is_known_of_writes_is_refreshed_by_the_sweeper(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    from tests.app.conftest import TestClient

    probed = threading.Event()
    monkeypatch.setattr("app.readiness.probe_write", lambda _: probed.set())
    with TestClient(create_app(ApiSettings(database_url=database_url, sweep_seconds=0.001))):
        assert probed.wait(10)
