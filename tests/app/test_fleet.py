"""Catalog, workloads, workers and health."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.main import bring_up_to_date, create_app
from app.settings import ApiSettings
from search import catalog
from storage import workers
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.fleet_records import Traces, WarmStudy, WorkerUsage
from storage.migrations import require_current
from tests.app.scenes import DESCRIPTION, Bench, definition, on_sqlite, problem


@on_sqlite
def test_the_catalog_is_the_one_that_definitions_are_checked_by(bench: Bench) -> None:
    body = bench.get("/v1/catalog")
    assert {loss["name"] for loss in body["losses"]} == {entry.name for entry in catalog.LOSSES}
    assert body["aliases"]["metrics"]["mse"] == "mean_squared_error"


@on_sqlite
def test_the_catalog_is_304_when_it_is_known(bench: Bench) -> None:
    tag = bench.client.get("/v1/catalog").headers["etag"]
    assert bench.client.get("/v1/catalog", headers={"If-None-Match": tag}).status_code == 304


def test_built_in_workloads_are_listed_without_a_worker(bench: Bench) -> None:
    found = {workload["name"]: workload for workload in bench.get("/v1/workloads")["workloads"]}
    assert {"digits", "digits-overlay", "digits-mask"} <= set(found)
    unknown = dict.fromkeys(("digest", "description", "version", "error", "published_at"))
    assert found["digits"] == {"name": "digits", "workers": 0, **unknown}


def test_a_published_workload_is_listed_with_its_description(bench: Bench) -> None:
    bench.publish()
    bench.publish(name="ads")
    bench.worker("digits", "ads")
    bench.worker("digits", name="w2")
    found = {workload["name"]: workload for workload in bench.get("/v1/workloads")["workloads"]}
    assert found["digits"]["description"] == DESCRIPTION
    assert (found["digits"]["workers"], found["ads"]["workers"]) == (2, 1)


def test_a_workload_that_cannot_be_described_says_why_and_a_study_of_it_is_refused_until_it_can(bench: Bench) -> None:
    bench.publish(name="ads", version="v1")
    bench.worker("ads", "shop", versions=[("ads", "v1"), ("ads", "v2")])
    bench.fail_to_describe("ads", "workload 'ads': importing ads.py failed: NameError: x", "ads.py:3", "v2")
    bench.fail_to_describe("shop", "there is no file shop.py", None)
    found = {workload["name"]: workload for workload in bench.get("/v1/workloads")["workloads"]}
    assert found["ads"]["error"] == {"message": "workload 'ads': importing ads.py failed: NameError: x", "at": "ads.py:3"}
    assert (found["ads"]["version"], found["shop"]["error"]) == ("v2", {"message": "there is no file shop.py", "at": None})
    sent = definition(workload={"name": "ads", "options": {}})
    [fault] = problem(bench.client.post("/v1/studies", json=sent), 422, "definition-refused")["errors"]
    assert fault["path"] == "workload.name"
    assert fault["got"] == "workload 'ads': importing ads.py failed: NameError: x (at ads.py:3)"
    bench.publish(name="ads", version="v2")
    assert bench.client.post("/v1/studies", json=sent).status_code == 201


def test_workers_are_listed_with_their_study(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.start()
    bench.worker("ads", name="w2")
    first, second = bench.get("/v1/workers")["workers"]
    assert (first["name"], first["alive"], first["study"], first["workloads"]) == ("w1", True, "digit-and-parity", ["digits"])
    assert (second["name"], second["study"], second["stopped_at"]) == ("w2", None, None)


def test_a_worker_is_listed_with_its_memory_and_what_it_has_traced(bench: Bench) -> None:
    worker = bench.worker()
    unknown = dict.fromkeys(("memory_bytes", "peak_memory_bytes", "traces"))
    [found] = bench.get("/v1/workers")["workers"]
    assert {name: found[name] for name in unknown} == unknown
    traces = Traces(8, 2.5, 30.0, (WarmStudy("ads", 4), WarmStudy("digits", 2)))
    with bench.database.writing() as session:
        workers.heartbeat(session, worker, "busy", bench.database.now(session), WorkerUsage(3 << 30, 4 << 30, traces))
    [found] = bench.get("/v1/workers")["workers"]
    assert (found["memory_bytes"], found["peak_memory_bytes"]) == (3 << 30, 4 << 30)
    assert found["traces"] == {
        "made": 8,
        "seconds": 2.5,
        "work_seconds": 30.0,
        "kept": 6,
        "warm": [{"study": "ads", "graphs": 4}, {"study": "digits", "graphs": 2}],
    }


def test_a_worker_without_a_sign_of_life_is_not_alive(bench: Bench, database_url: str, app: Any) -> None:
    bench.worker()
    app.state.database = Database(database_url, clock=lambda now: now + timedelta(seconds=61))
    assert [worker["alive"] for worker in bench.get("/v1/workers")["workers"]] == [False]
    app.state.database.close()


def test_a_service_over_a_current_database_is_ready(bench: Bench) -> None:
    assert bench.get("/livez") == {"status": "ok"}
    assert bench.get("/readyz") == {"status": "ready"}


@on_sqlite
def test_a_service_that_shuts_down_is_alive_but_not_ready(bench: Bench, app: Any) -> None:
    app.state.closing.set()
    assert bench.get("/livez") == {"status": "ok"}
    assert "retry-after" in bench.client.get("/readyz").headers
    problem(bench.client.get("/readyz"), 503, "closing")


@on_sqlite
def test_a_service_over_an_empty_database_is_not_ready(bench: Bench, app: Any, tmp_path: Path) -> None:
    app.state.database = Database(f"sqlite:///{tmp_path}/empty.db")
    problem(bench.client.get("/readyz"), 503, "schema-outdated")


@on_sqlite
def test_a_service_without_its_database_is_alive_but_not_ready(bench: Bench, app: Any) -> None:
    app.state.database = Database("postgresql://nobody@127.0.0.1:1/none")
    assert bench.get("/livez") == {"status": "ok"}
    problem(bench.client.get("/readyz"), 503, "storage-unavailable")
    problem(bench.client.get("/v1/studies"), 503, "storage-unavailable")


def test_an_empty_database_is_migrated_at_start(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    bring_up_to_date(database, migrate_at_start=True)
    require_current(database)
    database.close()


def test_an_empty_database_is_refused_where_the_service_may_not_migrate(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(SchemaOutdated, match="steelyard migrate"):
        bring_up_to_date(database, migrate_at_start=False)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("STEELYARD_ALLOWED_HOSTS", "api.example, localhost")
    settings = ApiSettings()  # type: ignore[call-arg]
    assert settings.database_url == "sqlite:///x.db"
    assert settings.allowed_hosts == ("api.example", "localhost")


def test_an_operators_own_workload_is_registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEELYARD_WORKLOADS", "ads=ads:Workload")
    app = create_app(ApiSettings(database_url=f"sqlite:///{tmp_path}/x.db"))
    assert "ads" in app.state.registered
