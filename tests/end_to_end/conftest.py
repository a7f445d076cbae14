"""One real service per kind of database for all these tests: two workers, and workloads of the tests' own.

A service ends with the last test that needs it: its idle workers look for work five times a second.
What a study answers does not depend on the database, so one is enough for that; `make soak` takes the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import _postgres_database
from tests.end_to_end.service import Service, serving

WORKLOADS = Path(__file__).parent / "workloads"
OWN = "table=table,raises=raises,needs-file=needs_file"


@pytest.fixture(scope="package")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on SQLite."""
    folder = tmp_path_factory.mktemp("service-sqlite")
    with serving(folder, workers=2, environment=_environment(folder)) as running:
        yield running


@pytest.fixture(scope="package")
def on_postgresql(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on PostgreSQL."""
    folder = tmp_path_factory.mktemp("service-postgresql")
    for url in _postgres_database(postgres_url, template="template1"):
        with serving(folder, workers=2, database_url=url, environment=_environment(folder)) as running:
            yield running


def _environment(folder: Path) -> dict[str, str]:
    return {"STEELYARD_WORKLOADS": OWN, "PYTHONPATH": str(WORKLOADS), "STEELYARD_DATA": str(folder)}


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def service(request: pytest.FixtureRequest) -> Service:
    """A service on each kind of database."""
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["on_postgresql", pytest.param("on_sqlite", marks=pytest.mark.soak)])
def answering(request: pytest.FixtureRequest) -> Service:
    """A service on either kind of database."""
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="package")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a single worker, on SQLite: what it does is repeatable."""
    with serving(tmp_path_factory.mktemp("one-worker"), workers=1) as running:
        yield running
