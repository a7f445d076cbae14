"""One real service per kind of database for all these tests: two workers, and workloads of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import _postgres_database
from tests.end_to_end.service import Service, serving

WORKLOADS = Path(__file__).parent / "workloads"
OWN = "table=table,raises=raises,needs-file=needs_file"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on SQLite, then one on PostgreSQL."""
    folder = tmp_path_factory.mktemp(f"service-{request.param}")
    environment = {"STEELYARD_WORKLOADS": OWN, "PYTHONPATH": str(WORKLOADS), "STEELYARD_DATA": str(folder)}
    if request.param == "sqlite":
        with serving(folder, workers=2, environment=environment) as running:
            yield running
        return
    for url in _postgres_database(request.getfixturevalue("postgres_url"), template="template1"):
        with serving(folder, workers=2, database_url=url, environment=environment) as running:
            yield running


@pytest.fixture(scope="session")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a single worker, on SQLite: what it does is repeatable."""
    with serving(tmp_path_factory.mktemp("one-worker"), workers=1) as running:
        yield running
