"""The service over an empty database, once on SQLite and once on PostgreSQL, without a server process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import ApiSettings
from tests.app.scenes import Bench

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would like another HTTP client
    from fastapi.testclient import TestClient


@pytest.fixture
def settings(database_url: str) -> ApiSettings:
    """Give settings under which nothing is waited for: the sweeper's first turn never comes, a poll is as good as at once."""
    return ApiSettings(database_url=database_url, sweep_seconds=3600, poll_seconds=0.01)


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
