"""The user's cache folder: the local database, the service's log, and the private folders of calls that run."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLE = "STEELYARD_CACHE_DIR"
DATABASE = "steelyard.sqlite3"
SERVICE = "service.json"
LOCK = "service.lock"
RUNS = "runs"
CALLS = "calls"


def cache_folder() -> Path:
    """Return the folder, made for this user alone: STEELYARD_CACHE_DIR, else `steelyard` in the system's cache folder."""
    if given := os.environ.get(VARIABLE):
        folder = Path(given).expanduser().resolve()
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "steelyard"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steelyard"
    for each in (folder, folder / RUNS, folder / CALLS):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def local_database_url(folder: Path) -> str:
    """Return the URL of the local database."""
    return f"sqlite:///{folder / DATABASE}"


def new_run_folder(folder: Path) -> Path:
    """Return a new private folder of this process, and take away those of processes that are gone."""
    sweep(folder)
    made = folder / RUNS / f"{os.getpid()}@{socket.gethostname()}-{secrets.token_hex(4)}"
    made.mkdir(mode=0o700)
    return made


def sweep(folder: Path) -> None:
    """Take away the private folders of this machine's processes that are gone: a home folder may be shared by several."""
    for each in (folder / RUNS).iterdir():
        pid = _process_of(each)
        if pid is not None and not is_alive(pid):
            shutil.rmtree(each, ignore_errors=True)


def _process_of(run_folder: Path) -> int | None:
    """Return the process of this machine that made a private folder, None for another machine's."""
    pid, _, rest = run_folder.name.partition("@")
    return int(pid) if pid.isdigit() and rest.rpartition("-")[0] == socket.gethostname() else None


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this user from starting a service meanwhile."""
    import fcntl

    with open(folder / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remembered(folder: Path, study: str) -> dict[str, Any] | None:
    """Return what is known of the call that made a study, None where it is unknown."""
    try:
        found: dict[str, Any] = json.loads((folder / CALLS / f"{study}.json").read_text())
    except (OSError, ValueError):
        return None
    return found


def remember(folder: Path, study: str, document: dict[str, Any]) -> None:
    """Write down what the call that made a study was like."""
    path = folder / CALLS / f"{study}.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


def remembered_calls(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of all calls, the newest first."""
    files = sorted((folder / CALLS).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = (remembered(folder, path.stem) for path in files)
    return [each for each in found if each is not None]


def running_calls(folder: Path) -> list[int]:
    """Return the processes whose calls have a private folder, and live."""
    pids = {_process_of(each) for each in (folder / RUNS).iterdir()}
    return sorted(pid for pid in pids if pid is not None and is_alive(pid))


def clear(folder: Path) -> None:
    """End the local service, and delete its database, log and all that is known of calls."""
    with locked(folder):
        service = _service(folder)
        if service is not None:
            os.kill(int(service["pid"]), signal.SIGTERM)
            _until_gone(int(service["pid"]))
        for path in (*folder.glob(f"{DATABASE}*"), folder / SERVICE, folder / "service.log", *(folder / CALLS).glob("*.json")):
            path.unlink(missing_ok=True)
    sweep(folder)


def contents(folder: Path) -> dict[str, Any]:
    """Return the folder's place and size, how many calls are known, and the URL of the service that runs."""
    service = _service(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    calls = len(list((folder / CALLS).glob("*.json")))
    return {"folder": str(folder), "bytes": size, "calls": calls, "service": service["url"] if service else None}


def _service(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / SERVICE).read_text())
        return found if is_alive(int(found["pid"])) else None
    except (OSError, ValueError, KeyError):
        return None


def _until_gone(pid: int, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
