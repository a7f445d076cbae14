"""The service over a fresh database, once on SQLite and once on PostgreSQL, without a server process."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url

from app.main import create_app
from app.settings import ApiSettings
from storage.models import Base
from tests.app.scenes import Bench

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would like another HTTP client
    from fastapi.testclient import TestClient


EMPTY = f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY CASCADE"


@pytest.fixture(scope="session")
def emptied_postgres_url(postgres_url: str, migrated_postgres_name: str) -> Iterator[str]:
    """Give one PostgreSQL database for all tests here: emptying it takes a tenth of the time of making another."""
    name = "app_tests"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated_postgres_name}"')
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty, migrated database: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        copy = tmp_path / "steelyard.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite_file"), copy)
        return f"sqlite:///{copy}"
    url: str = request.getfixturevalue("emptied_postgres_url")
    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=10s") as connection:
        connection.execute(EMPTY)
    return url


@pytest.fixture
def settings(database_url: str) -> ApiSettings:
    """Give settings under which nothing is waited for: the sweeper's first turn never comes, a poll is as good as at once."""
    return ApiSettings(database_url=database_url, sweep_seconds=3600, poll_seconds=0.01, max_wait_seconds=0.05)


@pytest.fixture
def app(settings: ApiSettings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a client; an unexpected error is an answer to it, not an exception."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def bench(client: TestClient, app: FastAPI) -> Bench:
    """Give a client together with the database behind it, to play the workers' part."""
    return Bench(client, app.state.database)
