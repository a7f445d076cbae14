"""Commands that run the service: serve, worker, migrate."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.exit_codes import CommandFailed, Exit
from steelyard.cli.options import DEFAULT_DATA_DIR, DataDir, Json, Workloads
from steelyard.cli.output import answer
from steelyard.cli.workload_files import add_to_environment

PANEL = "Service"

EndWith = Annotated[int | None, typer.Option("--end-with", hidden=True, help="End when this parent process has ended.")]

LeaseSeconds = Annotated[
    float,
    typer.Option(
        "--lease",
        envvar="STEELYARD_LEASE_SECONDS",
        min=1,
        metavar="SECONDS",
        help="How long the work of a dead worker waits for another.",
    ),
]
MemoryGib = Annotated[
    float | None,
    typer.Option(
        "--memory",
        envvar="STEELYARD_MEMORY",
        min=0.1,
        metavar="GIB",
        help="How much memory a training process and what it starts may hold (default: what the machine gives).",
    ),
]
ProgressSeconds = Annotated[
    float,
    typer.Option(
        "--progress",
        envvar="STEELYARD_PROGRESS_SECONDS",
        min=1,
        metavar="SECONDS",
        help="How long a training process may be silent before its first step; later 20 times its slowest call, a minute at least.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (serve, worker, migrate):
        app.command(rich_help_panel=PANEL)(command)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8765,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    workload: Workloads = None,
    workers: Annotated[int, typer.Option("--workers", min=0, max=256, help="Worker processes to keep running.")] = 1,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen on an address that others can reach: whoever does may do everything.")
    ] = False,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the page at / beside the API.")] = True,
    root_path: Annotated[
        str, typer.Option("--root-path", metavar="PATH", help="Path prefix of a proxy in front, such as /user/ada/proxy/8765.")
    ] = "",
    as_json: Json = False,
    until_idle: Annotated[
        float | None,
        typer.Option("--until-idle", min=0.1, metavar="SECONDS", help="End after so long without a request (default: never)."),
    ] = None,
    end_with: EndWith = None,
) -> None:
    """Run the service: the API, its page and its workers. SQLite in the data directory, or STEELYARD_DATABASE_URL."""
    _end_with(end_with)
    add_to_environment(workload)
    from steelyard import serving
    from steelyard.database_location import migrate_database
    from steelyard.logs import configure_logs

    if not allow_remote and not serving.is_loopback(host):
        raise CommandFailed(f"{host} can be reached from other machines and there are no keys yet: --allow-remote if that is meant")
    opened = _listening(host, port)
    with opened, _database_trouble():
        configure_logs()
        url = _database_url(data_dir)
        migrate_database(url)
        folder = str(Path(data_dir).resolve())
        settings = serving.ServeSettings(host, port, workers, url, allow_remote, page, root_path, until_idle, folder)
        try:
            serving.serve(settings, opened, lambda at: _announce(at, as_json))
        except serving.NotStarted as error:
            raise CommandFailed("the service could not start; its log says why", Exit.UNREACHABLE) from error


def _listening(host: str, port: int) -> socket.socket:
    from steelyard import serving

    try:
        return serving.listening_socket(host, port)
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host}:{port}: {error.strerror} (another one: --port)") from error


def _announce(url: str, as_json: bool) -> None:
    ready = {"url": url, "docs": f"{url}/docs"}
    sys.stdout.write((json.dumps(ready) if as_json else f"Steelyard is ready at {url} (docs: {url}/docs)") + "\n")
    sys.stdout.flush()


def worker(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    workload: Workloads = None,
    until_idle: Annotated[
        float | None,
        typer.Option("--until-idle", min=0, metavar="SECONDS", help="End after so long without work (default: never)."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="How it is called in the list of workers (default: by host and process).")
    ] = "",
    lease: LeaseSeconds = 45.0,
    progress: ProgressSeconds = 600.0,
    memory: MemoryGib = None,
    end_with: EndWith = None,
) -> None:
    """Run one worker against the database of a service: STEELYARD_DATABASE_URL, or the SQLite file in the data directory."""
    _end_with(end_with)
    from search.processes import collect_seldom, one_thread_of_linear_algebra

    add_to_environment(workload)
    one_thread_of_linear_algebra()  # of this process, which models what was searched; a training process has its own
    from search.worker.worker import Worker, WorkerSettings, stop_on_signals
    from steelyard.database_location import workloads_folder_in
    from steelyard.logs import configure_logs

    configure_logs()
    with _database_trouble():
        url = _database_url(data_dir)
        settings = WorkerSettings(
            database_url=url,
            name=name,
            lease_seconds=lease,
            progress_seconds=progress,
            until_idle_seconds=until_idle,
            memory_bytes=None if memory is None else memory * 2**30,
            workloads_folder=str(workloads_folder_in(data_dir)),
        )
        running = Worker(settings)
        stop_on_signals(running)
        collect_seldom()
        raise typer.Exit(running.run())


def migrate(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """Bring the database to this version's schema; several at once are as good as one."""
    from steelyard.database_location import migrate_database

    with _database_trouble():
        revision = migrate_database(_database_url(data_dir))
    answer({"schema": revision}, as_json, lambda: f"The database's schema is {revision}.")


def _end_with(parent: int | None) -> None:
    if parent is not None:
        from steelyard.supervision import end_with_parent

        end_with_parent(parent)


def _database_url(data_dir: str) -> str:
    from steelyard.database_location import database_url_in
    from storage.database import Database

    url = database_url_in(data_dir)
    try:
        Database(url).close()
    except Exception as error:  # whatever a URL that is none makes of itself
        raise CommandFailed(f"STEELYARD_DATABASE_URL: {error}") from error
    return url


@contextmanager
def _database_trouble() -> Iterator[None]:
    """Name what is wrong with the database, the settings or the workloads in a sentence."""
    from pydantic import ValidationError

    from search.errors import SearchError
    from storage.errors import StorageError, StorageUnavailable

    try:
        yield
    except StorageUnavailable as error:
        raise CommandFailed(f"{error}: {error.detail}", Exit.UNREACHABLE) from error
    except (StorageError, SearchError) as error:
        raise CommandFailed(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        setting = "_".join(map(str, ("STEELYARD", *first["loc"]))).upper()
        raise CommandFailed(f"{setting}: {first['msg']}, got {first['input']!r}") from error
