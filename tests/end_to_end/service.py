"""A real Steelyard: `steelyard serve` in a process of its own with real workers, on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

PATIENCE = 120.0
"""Seconds that anything awaited may take on a busy machine; nothing here waits longer than it must."""

Document = dict[str, Any]


class Service:
    """One `serve` process and its workers. Everything it started is gone when it is stopped or killed."""

    def __init__(
        self, folder: Path, *, workers: int, database_url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.workers = folder, workers
        self.environment = dict(environment or {}) | ({"STEELYARD_DATABASE_URL": database_url} if database_url else {})
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start serving, and wait until it is ready."""
        command = [sys.executable, "-m", "steelyard", "serve", "--port", str(self.port), "--workers", str(self.workers)]
        environment = {**os.environ, "STEELYARD_LEASE_SECONDS": "6", **self.environment}
        with open(self.folder / "serve.log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self.folder / "data")], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        until(lambda: self._ready(), "the service is ready")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"serve ended:\n{self.log()}"
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False

    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def stop(self) -> None:
        """End the service as an operator does, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=PATIENCE)
            self._process = None

    def kill(self) -> None:
        """Kill the service without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def worker_processes(self) -> list[psutil.Process]:
        """Return the live worker processes: the direct children of `serve`."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children()

    def get(self, path: str, **parameters: Any) -> Any:
        answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Document | None = None) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=30)

    def submit(self, definition: Document) -> str:
        """POST a study; gives its name."""
        answer = self.post("/v1/studies", definition)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["name"])

    def finished(self, name: str) -> Document:
        """Wait until a study has ended; gives it."""
        study: Document = {}

        def ended() -> bool:
            study.update(self.get(f"/v1/studies/{name}", wait=20))
            return bool(study["ended"])

        until(ended, f"study {name} has ended")
        return study

    def trials(self, name: str, **parameters: Any) -> list[Document]:
        """Return all trials of a study, page by page."""
        found: list[Document] = []
        token = ""
        while True:
            page = self.get(f"/v1/studies/{name}/trials", page_size=20, page_token=token, **parameters)
            found += page["trials"]
            token = page["next_page_token"]
            if not token:
                return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that another process brings about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain until {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Service]:
    """Run a service for the length of a block."""
    service = Service(folder, **settings)
    service.start()
    try:
        yield service
    finally:
        service.stop()
