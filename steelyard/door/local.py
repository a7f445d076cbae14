"""The local service, found or started, and the worker that a call owns."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.door import cache
from steelyard.errors import ServiceUnreachable
from steelyard.version import COMMAND, version

IDLE_SECONDS = 900.0
"""How long the local service stays without a request."""

IDLE_VARIABLE = "STEELYARD_IDLE_SECONDS"
LOG_LINES = 15
END_SECONDS = 20.0


def find_service(folder: Path) -> str | None:
    """Return the URL of the local service that runs, None where none answers."""
    import httpx

    try:
        known = json.loads((folder / cache.SERVICE).read_text())
        if known["version"] != version() or not cache.is_alive(int(known["pid"])):
            return None
        ready = httpx.get(f"{known['url']}/readyz", timeout=5)
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return str(known["url"]) if ready.status_code == 200 else None


def local_service(folder: Path) -> str:
    """Return the URL of the local service, started if none runs. It lives on without this process, and ends when it is idle.

    Raises ServiceUnreachable with the end of its log where it does not start.
    """
    with cache.locked(folder):
        return find_service(folder) or _start_service(folder)


def _start_service(folder: Path) -> str:
    idle = os.environ.get(IDLE_VARIABLE) or f"{IDLE_SECONDS:g}"
    command = [*COMMAND, "serve", "--port", "0", "--workers", "0", "--until-idle", idle, "--json", "--data-dir", str(folder)]
    log_path = folder / "service.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(cache.local_database_url(folder)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a Ctrl-C, or a kernel's interrupt, does not reach it
        )
    assert process.stdout is not None
    with process.stdout:
        ready = process.stdout.readline()
    if not ready:
        tail = log_path.read_text(errors="replace").splitlines()[-LOG_LINES:]
        raise ServiceUnreachable("the local service", "it did not start:\n" + "\n".join(tail))
    process.returncode = 0  # it is not waited for: it outlives this process
    url = str(json.loads(ready)["url"])
    (folder / cache.SERVICE).write_text(json.dumps({"url": url, "pid": process.pid, "version": version()}))
    return url


def _environment(database_url: str, **more: str) -> dict[str, str]:
    """Return this process's environment, without what would have a service serve other workloads, and with the database."""
    kept = {name: value for name, value in os.environ.items() if name not in ("STEELYARD_WORKLOADS", "STEELYARD_PRIVATE_WORKLOAD")}
    return {**kept, "STEELYARD_DATABASE_URL": database_url, **more}


class OwnWorkers:
    """The worker processes of one call. They end with this process, whatever ends it."""

    def __init__(self, database_url: str, workload: str, folder: Path, count: int) -> None:
        self._database_url, self._workload, self._folder, self._count = database_url, workload, folder, count
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start those that do not run. What dead workers of this machine held is given back first."""
        give_back_dead(self._database_url)
        environment = _environment(self._database_url, STEELYARD_PRIVATE_WORKLOAD=f"{self._workload}={self._folder}")
        with (self._folder / "worker.log").open("ab") as log:
            while len(self._processes) < self._count:
                self._processes.append(
                    subprocess.Popen(
                        [*COMMAND, "worker", "--end-with", str(os.getpid())],
                        cwd=self._folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )

    @property
    def started(self) -> bool:
        return bool(self._processes)

    def ended_early(self) -> str | None:
        """Return the end of the log where all workers have ended though nobody asked them to, else None."""
        if not self._processes or any(process.poll() is None for process in self._processes):
            return None
        return "\n".join(self.log().splitlines()[-LOG_LINES:])

    def log(self) -> str:
        """Return what the workers logged."""
        path = self._folder / "worker.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> None:
        """Have all workers give back what they hold, and end."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def end_for_good(self) -> None:
        """End all workers, and delete their folder."""
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)


def end_with_this_process(owned: OwnWorkers) -> None:
    """Let the workers of a call that is not waited for run on; they end with this process, and their private folder with them."""
    atexit.register(owned.end_for_good)


def give_back_dead(database_url: str) -> None:
    """Release what workers of this machine hold whose process is gone: their studies need not wait for a lease to expire."""
    from steelyard.serving import give_back
    from storage import workers
    from storage.database import Database

    database = Database(database_url)
    try:
        with database.reading() as session:
            here = socket.gethostname()
            listed = workers.list_workers(session, database.now(session))
        dead = {each.pid for each in listed if each.host == here and each.stopped_at is None and not cache.is_alive(each.pid)}
    finally:
        database.close()
    for pid in dead:
        give_back(database_url, pid, lost=None)


def described(url: str, workload: str) -> Mapping[str, Any] | None:
    """Return what the service knows of a workload, None where no worker has registered it."""
    from steelyard.client import Client

    with Client(url) as client:
        return next((each for each in client.workloads() if each["name"] == workload), None)
