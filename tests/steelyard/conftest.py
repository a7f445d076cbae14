"""A real service for the client and the command: the real app under uvicorn on a free port. No worker: tests fill in trials."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import ApiSettings
from steelyard.client import Client
from steelyard.serving import Server, listening_socket, url_of
from storage.database import Database

_numbers = itertools.count()


@dataclass(frozen=True)
class Service:
    """A running service, and the database behind it."""

    url: str
    database: Database


@contextmanager
def running(database_url: str, port: int = 0, *, page: bool = True) -> Iterator[str]:
    """Run the service in a thread for the length of a block; gives its URL."""
    app = create_app(ApiSettings(database_url=database_url, poll_seconds=0.02, events_seconds=0.02, page=page))
    ready = threading.Event()
    server = Server(app, ready.set)
    opened = listening_socket("127.0.0.1", port)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[opened])))
    thread.start()
    assert ready.wait(30)
    try:
        yield url_of(opened)
    finally:
        server.end()
        thread.join()


@pytest.fixture(scope="session")
def service(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all these tests; each takes a study of its own."""
    url = f"sqlite:///{shutil.copyfile(migrated_sqlite_file, tmp_path_factory.mktemp('service') / 'steelyard.db')}"
    with running(url) as address:
        database = Database(url)
        yield Service(address, database)
        database.close()


@pytest.fixture
def name() -> str:
    """Give a study's name that no other test has."""
    return f"study-{next(_numbers)}"


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """Give a client of the service."""
    with Client(service.url) as client:
        yield client


@pytest.fixture(autouse=True)
def environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command find the service, as a user would."""
    monkeypatch.setenv("STEELYARD_URL", service.url)
    monkeypatch.setenv("COLUMNS", "160")
    for variable in ("STEELYARD_DATABASE_URL", "STEELYARD_DATA_DIR", "STEELYARD_DEBUG", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
