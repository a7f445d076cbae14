"""The service as a process: what `steelyard serve` says and does from its start to its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from steelyard.cli.main import app
from steelyard.client import Client
from steelyard.database_location import DATABASE_FILE, migrate_database
from steelyard.serving import give_back, is_loopback
from steelyard.version import COMMAND
from storage import leases, study_rows, trial_rows, trials, workers
from storage.database import Database
from storage.records import Reason, TrialState
from tests.steelyard.filled import submitted

PATIENCE = 60.0


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


def called(*arguments: str) -> Result:
    """Run a command in this process, which takes a tenth of the time; not one that sets up the logs of its process."""
    return CliRunner().invoke(app, list(arguments))


@dataclass(frozen=True)
class Serving:
    """A `serve` process, what it said when it was ready, and a client of it."""

    process: subprocess.Popen[bytes]
    ready: dict[str, str]
    client: Client

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.client.workers() if worker["alive"]]


@contextlib.contextmanager
def serving(folder: Path, *, workers: int) -> Iterator[Serving]:
    """Run `serve` in a folder for the length of a block."""
    options = ["--port", "0", "--data-dir", str(folder / "data"), "--json", "--workers", str(workers)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, "serve", *options], stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, (folder / "log").read_text()
        ready = json.loads(said)
        with Client(ready["url"]) as client:
            yield Serving(process, ready, client)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def until(condition: Callable[[], Any]) -> Any:
    """Wait for what another process brings about; gives it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_serve_says_once_where_it_is_and_ends_well_when_asked(tmp_path):
    with serving(tmp_path, workers=0) as running:
        assert running.client.catalog()["losses"]
        assert running.ready["docs"] == f"{running.ready['url']}/docs"
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        assert running.process.stdout.read() == b""
    assert (tmp_path / "data" / DATABASE_FILE).exists()


def test_serve_without_json_says_it_in_a_sentence(tmp_path):
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--workers", "0", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Steelyard is ready at http://127.0.0.1:")
        process.terminate()


@pytest.mark.soak
def test_what_was_stored_is_there_after_a_restart(tmp_path, name):
    with serving(tmp_path, workers=0) as running:
        submitted(running.client, name)
    with serving(tmp_path, workers=0) as running:
        assert running.client.get(name)["state"] == "QUEUED"


def test_a_waiting_request_does_not_hold_up_the_end(tmp_path, name):
    with serving(tmp_path, workers=0) as running:
        submitted(running.client, name)
        port = int(running.ready["url"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(f"GET /v1/studies/{name}?wait=300 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            running.client.get(name)  # it is served, so the one before it has arrived
            running.process.terminate()
            assert waiting.recv(12) == b"HTTP/1.1 200"
        assert running.process.wait(PATIENCE) == 0


def test_workers_are_started_again_when_killed_and_end_with_the_service(tmp_path):
    with serving(tmp_path, workers=1) as running:
        first = until(running.worker_pids)[0]
        os.kill(first, signal.SIGKILL)
        second = until(lambda: [pid for pid in running.worker_pids() if pid != first])[0]
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0
        assert not is_alive(second)


def test_workers_end_when_the_service_is_killed(tmp_path):
    with serving(tmp_path, workers=1) as running:
        pid = until(running.worker_pids)[0]
        running.process.kill()
        until(lambda: not is_alive(pid))


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = called("serve", "--port", str(port), "--data-dir", str(tmp_path))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr == f"steelyard: cannot listen on 127.0.0.1:{port}: Address already in use (another one: --port)\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_address_that_others_can_reach_needs_to_be_said_out_loud(tmp_path, host):
    ended = called("serve", "--host", host, "--port", "0", "--data-dir", str(tmp_path))
    assert ended.exit_code == 1
    assert "--allow-remote" in ended.stderr


@pytest.mark.parametrize(
    ("host", "answer"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_loopback_is_what_only_this_machine_reaches(host, answer):
    assert is_loopback(host) is answer


URLS = ["nonsense", "mysql://root@localhost/x", "sqlite://"]


def require_one_sentence(said: str) -> None:
    assert said.startswith("steelyard: STEELYARD_DATABASE_URL: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("url", URLS)
def test_a_database_url_that_is_none_is_one_sentence(monkeypatch, url):
    monkeypatch.setenv("STEELYARD_DATABASE_URL", url)
    ended = called("migrate")
    assert (ended.exit_code, ended.stdout) == (1, "")
    require_one_sentence(ended.stderr)


@pytest.mark.parametrize("url", [URLS[0], *(pytest.param(url, marks=pytest.mark.soak) for url in URLS[1:])])
@pytest.mark.parametrize("started", ["serve", "worker"])
def test_nothing_starts_on_a_database_url_that_is_none(monkeypatch, started, url):
    monkeypatch.setenv("STEELYARD_DATABASE_URL", url)
    ended = command(started, *(["--port", "0"] if started == "serve" else []))
    assert (ended.returncode, ended.stdout) == (1, "")
    require_one_sentence(ended.stderr)


def test_a_database_that_is_not_there_is_unreachable(monkeypatch):
    monkeypatch.setenv("STEELYARD_DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/x")
    ended = called("migrate")
    assert ended.exit_code == 5
    assert ended.stderr.startswith("steelyard: the database cannot be reached")
    assert "secret" not in ended.stderr


def test_a_worker_does_not_start_on_a_database_that_was_never_migrated(tmp_path):
    ended = command("worker", "--data-dir", str(tmp_path), "--until-idle", "0")
    assert ended.returncode == 1
    assert "run `steelyard migrate`" in ended.stderr.splitlines()[-1]


def test_migrate_makes_the_schema_and_is_done_the_second_time(tmp_path):
    first, second = (called("migrate", "--data-dir", str(tmp_path)) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert json.loads(first.stdout) == json.loads(second.stdout)


def test_a_setting_that_is_wrong_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("STEELYARD_MAX_BODY_BYTES", "much")
    ended = command("serve", "--port", "0", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.startswith("steelyard: STEELYARD_MAX_BODY_BYTES: ")


@pytest.mark.parametrize(
    ("lost", "losses", "reason"),
    [
        ("was ended by SIGSEGV", 1, Reason("worker_lost", "the worker was ended by SIGSEGV")),
        (None, 0, leases.WORKER_STOPPED),
    ],
)
def test_what_a_dead_worker_held_waits_again_with_what_is_known_of_its_end(tmp_path, lost, losses, reason):
    url = f"sqlite:///{tmp_path / 'steelyard.db'}"
    migrate_database(url)
    database = Database(url)
    pid = 1 << 22
    with database.writing() as session:
        now = database.now(session)
        held = _training(session, pid, now)
    give_back(url, pid, lost=lost)
    with database.reading() as session:
        trial = trial_rows.get_trial(session, held.study_id, 0)
        assert (trial.state, trial.charged, trial.losses, trial.reason) == (TrialState.WAITING, 0, losses, reason)
        assert leases.leases_of_worker(session, held.worker_id) == []
        assert [worker.state for worker in workers.list_workers(session, now)] == ["stopped"]
    database.close()


def test_a_database_that_is_away_leaves_a_dead_workers_lease_to_expire(tmp_path, caplog):
    give_back(f"sqlite:///{tmp_path / 'nowhere' / 'steelyard.db'}", 1, lost="is gone")
    assert "could not be released" in caplog.text


def _training(session: Any, pid: int, now: Any) -> Any:
    """Begin a trial under a lease of a worker on this machine; gives the lease."""
    from tests.storage.scenes import add, create, prepare

    study = prepare(session, create(session))
    add(session, study, 1)
    here = socket.gethostname()
    worker = workers.register(session, name="w", host=here, pid=pid, version="1", workloads=["digits"], now=now)
    lease = leases.acquire(session, study.id, worker.id, leases.COHORT, 60.0, now)
    locked = study_rows.lock_study(session, study.id)
    trials.start_cohort(session, locked, trial_rows.waiting_trials(session, study.id), lease, engine="serial", worker="w", now=now)
    return lease


def test_folders_of_the_users_that_bear_our_names_are_not_taken_for_ours(tmp_path, monkeypatch):
    for taken in ("app", "search", "storage", "steelyard"):
        (tmp_path / taken).mkdir()
        (tmp_path / taken / "__init__.py").write_text("raise RuntimeError('not yours')")
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path, workers=1) as running:
        assert until(running.worker_pids)
