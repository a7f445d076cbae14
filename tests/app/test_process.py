"""The API as a process: what it imports, what it weighs, how it shuts down."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app.main import create_app
from app.settings import ApiSettings
from search.workloads.flagship import FLAGSHIP

HEAVY = ("tensorflow", "keras", "optuna", "torch", "jax", "sklearn", "scipy", "numpy")

SCRIPT = """
import json, resource, sys
from pathlib import Path
from app.main import create_app
from app.settings import ApiSettings
create_app(ApiSettings(database_url=sys.argv[1])).openapi()
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps({"modules": sorted(name.split(".")[0] for name in sys.modules), "kilobytes": int(peak[0].split()[1])}))
"""


def test_the_service_is_light(tmp_path: Path) -> None:
    """No TensorFlow, Keras or Optuna, not even indirectly; under 150 MB."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, f"sqlite:///{tmp_path}/x.db"], capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert not set(HEAVY) & set(found["modules"])
    assert found["kilobytes"] < 150_000


class Running:
    """A real server on a free port of the loopback interface."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.app = create_app(ApiSettings(database_url=url, **settings))
        self.server = uvicorn.Server(uvicorn.Config(self.app, port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started and time.monotonic() < deadline:
            self.thread.join(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def call(self, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(f"sqlite:///{tmp_path}/x.db", max_wait_seconds=300, poll_seconds=0.01)
    yield running
    running.close()


def test_a_server_answers_over_a_socket(running: Running) -> None:
    assert running.call("/v1/studies", FLAGSHIP)["state"] == "QUEUED"
    assert running.call("/readyz") == {"status": "ready"}


def test_closing_ends_waiting_requests_so_that_the_server_can_end(running: Running) -> None:
    running.call("/v1/studies", FLAGSHIP)
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(running.call(f"/v1/studies/{FLAGSHIP['name']}?wait=300")["state"]))
    waiting.start()
    while not running.server.server_state.tasks:
        waiting.join(0.01)
    running.app.state.closing.set()
    running.server.should_exit = True
    waiting.join(timeout=30)
    running.thread.join(timeout=30)
    assert answers == ["QUEUED"]
    assert not running.thread.is_alive()


def test_a_client_that_leaves_is_not_waited_for(running: Running) -> None:
    running.call("/v1/studies", FLAGSHIP)
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"http://127.0.0.1:{running.port}/v1/studies/{FLAGSHIP['name']}?wait=300", timeout=0.2)
    deadline = time.monotonic() + 20
    while running.server.server_state.tasks and time.monotonic() < deadline:
        running.thread.join(0.01)
    assert not running.server.server_state.tasks
