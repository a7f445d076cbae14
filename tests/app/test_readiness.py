"""Readiness that knows whether anything can be written, and studies that say so while they stand still."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.readiness import FAILED_SECONDS, PROBE_SECONDS, Readiness
from app.settings import ApiSettings
from app.sweeper import sweep
from storage import probe
from storage.database import Database
from storage.errors import SchemaTooNew, StorageBusy, StorageError, StorageFull, StorageUnavailable
from tests.app.conftest import TestClient
from tests.app.scenes import NAME, Bench, definition, on_sqlite, problem

STUDY = f"/v1/studies/{NAME}"


class Disk(NamedTuple):
    """What a disk says of itself."""

    total: int
    used: int
    free: int


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.shutil, "disk_usage", lambda path: Disk(1 << 30, 1 << 30, 4096))


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Let every probe fail from now on, or with None no more."""

    def refuse(error: Exception | None) -> None:
        def refused(database: Database) -> None:
            if error is not None:
                raise error

        monkeypatch.setattr("app.readiness.probe_write", refused)

    return refuse


def test_a_database_that_can_be_written_is_ready(bench: Bench) -> None:
    assert bench.get("/readyz") == {"status": "ready"}


@on_sqlite
@pytest.mark.usefixtures("full")
def test_a_full_disk_is_503_with_the_reason(bench: Bench) -> None:
    response = bench.client.get("/readyz")
    assert problem(response, 503, "not-writable")["detail"] == "nothing can be written: the database's disk is full"
    assert response.headers["retry-after"]


@pytest.mark.parametrize("error", [StorageBusy("held"), StorageUnavailable("", "the database is read-only")])
def test_a_database_that_takes_no_write_is_503(bench: Bench, refusing: Any, error: Exception) -> None:
    refusing(error)
    assert str(error) in problem(bench.client.get("/readyz"), 503, "not-writable")["detail"]


def test_a_study_that_stands_still_says_why(bench: Bench, refusing: Any) -> None:
    bench.submit()
    refusing(StorageFull("no space"))
    bench.client.get("/readyz")
    reason = bench.get(STUDY)["reason"]
    assert reason["code"] == "storage_full"
    assert reason["message"] == "waits: the database's disk is full; it goes on once the database can be written"
    assert [study["reason"] for study in bench.get("/v1/studies")["studies"]] == [reason]


@on_sqlite
@pytest.mark.parametrize(("error", "code"), [(StorageBusy(""), "storage_busy"), (StorageUnavailable(""), "storage_unavailable")])
def test_what_stands_in_the_way_has_a_code(bench: Bench, refusing: Any, error: Exception, code: str) -> None:
    bench.submit()
    refusing(error)
    bench.client.get("/readyz")
    assert bench.get(STUDY)["reason"]["code"] == code


@on_sqlite
def test_a_study_that_has_ended_waits_for_nothing(bench: Bench, refusing: Any) -> None:
    bench.submit()
    bench.client.post(f"{STUDY}/cancel")
    refusing(StorageFull(""))
    bench.client.get("/readyz")
    assert bench.get(STUDY)["reason"]["code"] == "cancelled"


@on_sqlite
def test_a_write_that_failed_is_remembered_though_a_tiny_one_succeeds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise StorageFull("no space")

    monkeypatch.setattr("app.submission.submit", refused)
    problem(bench.client.post("/v1/studies", json=definition()), 507, "storage-full")
    problem(bench.client.get("/readyz"), 503, "not-writable")


@pytest.fixture
def readiness(database_url: str) -> Iterator[tuple[Readiness, list[float]]]:
    """Give a readiness and its clock."""
    now = [0.0]
    made = Readiness(database_url, 10.0, clock=lambda: now[0])
    yield made, now
    made.close()


@on_sqlite
def test_a_probe_holds_for_some_seconds(readiness: Any, refusing: Any) -> None:
    found, now = readiness
    assert found.trouble() is None
    refusing(StorageFull(""))
    now[0] = PROBE_SECONDS - 0.1
    assert found.trouble() is None
    now[0] = PROBE_SECONDS
    assert isinstance(found.trouble(), StorageFull)
    refusing(None)
    now[0] = 2 * PROBE_SECONDS
    assert found.trouble() is None


@on_sqlite
def test_a_failed_write_counts_for_some_seconds(readiness: Any) -> None:
    found, now = readiness
    found.note(StorageFull(""))
    now[0] = FAILED_SECONDS - 0.1
    assert isinstance(found.trouble(), StorageFull)
    now[0] = FAILED_SECONDS
    assert found.trouble() is None


def test_a_probe_changes_nothing_that_can_be_read(database: Database, database_url: str) -> None:
    probe.probe_write(database)
    found = Readiness(database_url, 10.0)
    assert found.trouble() is None
    found.close()


def test_a_lock_of_another_is_busy(database: Database, database_url: str) -> None:
    found = Readiness(database_url, 0.05)
    with database.writing() as session:
        probe_text = probe.text("UPDATE alembic_version SET version_num = version_num")
        session.execute(probe_text)
        assert isinstance(found.trouble(), StorageBusy)
    found.close()


@on_sqlite
def test_a_study_is_read_without_a_probe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    probed: list[Database] = []
    monkeypatch.setattr("app.readiness.probe_write", probed.append)
    bench.submit()
    bench.get(STUDY)
    bench.get("/v1/studies")
    assert probed == []


@on_sqlite
def test_while_one_probes_others_go_by_the_last_probe(readiness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = readiness
    meanwhile: list[StorageError | None] = []

    def probe_slowly(database: Database) -> None:
        other = threading.Thread(target=lambda: meanwhile.append(found.trouble()))
        other.start()
        other.join(30)
        raise StorageFull("")

    monkeypatch.setattr("app.readiness.probe_write", probe_slowly)
    assert isinstance(found.trouble(), StorageFull)
    assert meanwhile == [None]


def test_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    gone = Database(f"sqlite:///{tmp_path / 'gone' / 'x.db'}")
    with pytest.raises(StorageUnavailable):
        probe.probe_write(gone)


@on_sqlite
def test_a_read_only_file_is_named_so(database_url: str) -> None:
    database = Database(f"{database_url}?mode=ro&uri=true".replace("sqlite:///", "sqlite:///file:"))
    with pytest.raises(StorageUnavailable, match="the database is read-only"), database.writing() as session:
        session.execute(probe.text("UPDATE alembic_version SET version_num = version_num"))
    database.close()


def test_a_study_is_moving_again_by_itself(bench: Bench, refusing: Any, app: FastAPI) -> None:
    bench.submit()
    refusing(StorageFull(""))
    bench.client.get("/readyz")
    assert bench.get(STUDY)["reason"]["code"] == "storage_full"
    refusing(None)
    app.state.readiness._probed_at = None
    bench.client.get("/readyz")
    assert bench.get(STUDY)["reason"]["code"] == "no_live_worker"


@pytest.fixture
def impatient(database: Database, database_url: str) -> Iterator[Bench]:
    """Give a service that waits for the write lock a twentieth of a second."""
    app = create_app(ApiSettings(database_url=database_url, sweep_seconds=3600, busy_timeout_seconds=0.05))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Bench(client, database)


@on_sqlite
def test_while_another_holds_the_write_lock_writes_are_503_and_reads_go_on(impatient: Bench, database: Database) -> None:
    impatient.submit()
    with database.writing():
        for _ in range(3):
            refused = impatient.client.post("/v1/studies", json=definition(name="later"))
            problem(refused, 503, "storage-busy")
            assert refused.headers["retry-after"]
        assert impatient.get("/v1/studies")["studies"][0]["name"] == NAME
    assert impatient.submit(name="later") == "later"


def test_nothing_is_written_once_a_later_version_has_migrated_the_database(bench: Bench) -> None:
    bench.submit()
    with bench.database.writing() as session:
        session.execute(probe.text("UPDATE alembic_version SET version_num = '9999'"))
    another = {**definition(), "name": "another"}
    refused = [
        bench.client.post("/v1/studies", json=another),
        bench.client.post(f"{STUDY}/cancel"),
        bench.client.delete(STUDY),
    ]
    assert {problem(response, 503, "schema-too-new")["detail"].partition(",")[0] for response in refused} == {
        "the database's schema is 9999"
    }
    with pytest.raises(SchemaTooNew):
        sweep(bench.database)
    assert [study["state"] for study in bench.get("/v1/studies")["studies"]] == ["QUEUED"]
