"""PostgreSQL on a disk that is really full: a file system of a few megabytes, filled to its last byte while a worker trains."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from app.main import create_app
from app.settings import ApiSettings
from search.workloads.flagship import FLAGSHIP
from storage.records import StudyState, TrialState
from tests.end_to_end.service import until
from tests.end_to_end.test_worker_faults import Fleet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would like another HTTP client
    from fastapi.testclient import TestClient

MEGABYTES = 48


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own that holds the data of one database."""

    folder: Path
    url: str

    def fill(self) -> None:
        """Leave not one byte."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while filler.write(b"\0" * size):
                        pass
        assert shutil.disk_usage(self.folder).free == 0

    def empty(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def small_disk(postgres_url: str, migrated_postgres_name: str) -> Iterator[SmallDisk]:
    """A database in a tablespace of a few megabytes in memory: what it writes ahead lies elsewhere, as PostgreSQL advises."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        (data,) = server.execute("SHOW data_directory").fetchone() or ("",)
        owner = os.stat(data)
        folder = Path(tempfile.mkdtemp(prefix="steelyard-small-disk-", dir="/tmp"))
        options = f"size={MEGABYTES}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            folder.rmdir()
            pytest.skip(f"a file system of its own needs the right to mount one: {mounted.stderr.strip()}")
        try:
            (folder / "data").mkdir(mode=0o700)
            os.chown(folder / "data", owner.st_uid, owner.st_gid)
            server.execute(f"CREATE TABLESPACE small LOCATION '{folder / 'data'}'")
            server.execute(f'CREATE DATABASE small TEMPLATE "{migrated_postgres_name}" TABLESPACE small')
            yield SmallDisk(folder, make_url(postgres_url).set(database="small").render_as_string(hide_password=False))
        finally:
            (folder / "filler").unlink(missing_ok=True)
            server.execute("DROP DATABASE IF EXISTS small WITH (FORCE)")
            server.execute("DROP TABLESPACE IF EXISTS small")
            subprocess.run(["umount", folder], check=True)
            folder.rmdir()


def test_on_postgresqls_full_disk_the_service_says_so_and_a_worker_waits_until_there_is_room(
    small_disk: SmallDisk, tmp_path: Path
) -> None:
    fleet = Fleet(small_disk.url, tmp_path)
    settings = ApiSettings(database_url=small_disk.url, sweep_seconds=3600)
    try:
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            fleet.submit(20)
            worker = fleet.start(behaviour="slow")
            until(lambda: fleet.count(TrialState.RUNNING) > 0, "trials run")
            small_disk.fill()
            refused = until_refused(client)
            assert (refused.status_code, refused.headers["content-type"]) == (507, "application/problem+json")
            assert refused.json()["type"].endswith("/storage-full")
            ready = client.get("/readyz")
            assert (ready.status_code, client.get("/livez").status_code) == (503, 200)
            until(lambda: "the database's disk is full" in fleet.log(), "the worker finds no room")
            assert worker.poll() is None
            small_disk.empty()
            assert fleet.finished().state is StudyState.COMPLETE, fleet.log()
            fleet.require_all_complete_once(21)
    finally:
        fleet.close()


def until_refused(client: TestClient) -> Any:
    """Submit studies that nobody trains until one finds no room: the first ones fit into pages that are there."""
    definition = {**FLAGSHIP, "description": "x" * 1000}
    for number in range(500):
        answer = client.post("/v1/studies", json={**definition, "name": f"idle-{number}"})
        if answer.status_code == 201:
            answer = client.post(f"/v1/studies/idle-{number}/cancel")
        if answer.status_code >= 500:
            return answer
    raise AssertionError("a full disk took 500 studies")
