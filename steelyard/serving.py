"""Run the service: the API in this process, its workers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.main import create_app
from app.settings import LOOPBACK, ApiSettings
from search import processes
from search.worker import leftovers
from steelyard.http_protocol import DeadlineProtocol, WaitingConnections
from steelyard.supervision import Supervisor
from steelyard.version import COMMAND
from storage import leases, workers
from storage.database import Database
from storage.errors import LeaseLost, StorageError, WorkerNotFound
from storage.records import Reason

log = logging.getLogger("steelyard.serve")
http_log = logging.getLogger("steelyard.http")

SHUTDOWN_SECONDS = 30.0
QUEUED_CONNECTIONS = 2048  # by the system, until they are accepted
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
CONNECTION_SECONDS = 5  # for answers that are under way when the end is asked for


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of `steelyard serve`. `port` 0 takes any free one."""

    host: str
    port: int
    workers: int
    database_url: str
    allow_remote: bool
    page: bool = True
    root_path: str = ""
    until_idle_seconds: float | None = None  # end after so long without a request; None: never
    data_dir: str | None = None  # in it the workers watch for workloads


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that holds the address already. Raises OSError where it is taken or not ours."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def url_of(opened: socket.socket) -> str:
    """Return the URL under which the socket is reached from this machine."""
    host, port = opened.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class NotStarted(Exception):
    """The API could not start."""


class Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own, reporting when it is ready."""

    def __init__(self, app: FastAPI, ready: Callable[[], None]) -> None:
        self._waiting = WaitingConnections()
        protocol = partial(DeadlineProtocol, header_seconds=app.state.settings.header_timeout_seconds, waiting=self._waiting)
        config = uvicorn.Config(
            app,
            http=protocol,  # type: ignore[arg-type]  # it is only called
            ws="none",
            backlog=1,  # asyncio accepts so many before it looks at any of them: descriptors would run out unseen
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=CONNECTION_SECONDS,
            server_header=False,
        )
        super().__init__(config)
        self._app = app
        self._ready = ready

    def keeps_workers(self, starting: Callable[[float], int]) -> None:
        """Say how to count the worker processes beside the API that may still be starting: those begun within so many seconds."""
        alive = self._app.state.settings.alive_within_seconds
        self._app.state.own_workers = lambda: starting(alive)

    def end(self) -> None:
        """Accept no more, and let requests that wait answer now."""
        self._app.state.closing.set()
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        await super().startup(sockets)
        for opened in sockets or ():
            opened.listen(QUEUED_CONNECTIONS)
        if self.started and not self.should_exit:
            self._ready()

    def _handle_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES and "accept" in context["message"]:
            http_log.warning("no connection can be accepted: %s", error.strerror)  # asyncio tries again in a second
            self._waiting.close_oldest()
        else:
            loop.default_exception_handler(context)

    async def end_when_idle(self, seconds: float) -> None:
        """End when nobody has asked for anything for so long; a request that waits for its answer counts."""
        loop = asyncio.get_running_loop()
        asked, since = -1, loop.time()
        while not self.should_exit:
            total = self.server_state.total_requests
            if total != asked or self.server_state.tasks:
                asked, since = total, loop.time()
            elif loop.time() - since >= seconds:
                log.info("ends: no request for %g s", seconds)
                self.end()
            await asyncio.sleep(min(1.0, seconds / 4))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: ServeSettings, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT: then accept no more, let workers finish for at most 30 s; a second signal ends all at once.

    `ready` is called with the URL once the service answers.
    """
    processes.hold_little_memory()
    app = create_app(_api_settings(settings))
    url = url_of(opened)

    def started() -> None:
        ready(url)
        if settings.page:
            threading.Thread(target=app.state.views.assets.pack, name="pack", daemon=True).start()

    server = Server(app, started)
    asyncio.run(_run(server, opened, settings))


async def _run(server: Server, opened: socket.socket, settings: ServeSettings) -> None:
    supervisor = Supervisor(
        settings.workers,
        lambda _slot: _start_worker(settings),
        lambda pid, lost: give_back(settings.database_url, pid, lost=lost),
        reap=processes.reap_orphans,
    )

    def end() -> None:
        if server.should_exit:
            log.warning("asked twice: ends at once")
            logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what it drops now, it would log as faults
            server.force_exit = True
            supervisor.kill()
        else:
            log.info("ends when its workers have given back their work, after %g s at the latest", SHUTDOWN_SECONDS)
            server.end()
            supervisor.terminate()

    server.keeps_workers(supervisor.starting)
    processes.adopt_orphans()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    supervisor.start()
    idle = settings.until_idle_seconds
    watch = None if idle is None else asyncio.create_task(server.end_when_idle(idle))
    try:
        await server.serve(sockets=[opened])
    except SystemExit as error:  # uvicorn's way to say it
        raise NotStarted from error
    finally:
        if watch is not None:
            watch.cancel()
        supervisor.terminate()
        await supervisor.ended(SHUTDOWN_SECONDS)


async def _start_worker(settings: ServeSettings) -> asyncio.subprocess.Process:
    # In a session of its own: a Ctrl-C in the terminal reaches the service alone, which then asks its workers once.
    watching = [] if settings.data_dir is None else ["--data-dir", settings.data_dir]
    return await asyncio.create_subprocess_exec(
        *(*COMMAND, "worker", "--end-with", str(os.getpid()), *watching),
        env={**os.environ, "STEELYARD_DATABASE_URL": settings.database_url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )


def give_back(database_url: str, pid: int, *, lost: str | None) -> None:
    """End what a dead worker process of this machine left, release what it held, and write down that it ended.

    `lost` says how it died, where nobody had asked it to end: its trials are charged a loss, with that as the reason.
    """
    leftovers.sweep()
    database = Database(database_url)
    try:
        with database.writing() as session:
            now = database.now(session)
            here = socket.gethostname()
            dead = [w.id for w in workers.list_workers(session, now) if w.pid == pid and w.host == here and w.stopped_at is None]
            for worker_id in dead:
                for lease in leases.leases_of_worker(session, worker_id):
                    with contextlib.suppress(LeaseLost):
                        if lost is None:
                            leases.release(session, lease.token, charge=False, now=now)
                        else:
                            leases.lose(session, lease.token, now, Reason(leases.WORKER_LOST.code, f"the worker {lost}"))
                with contextlib.suppress(WorkerNotFound):
                    workers.deregister(session, worker_id, now)
    except StorageError as error:
        # Its lease ends by itself, only later.
        log.warning("the leases of worker pid %d could not be released: %s", pid, error)
    finally:
        database.close()


def _api_settings(settings: ServeSettings) -> ApiSettings:
    chosen: dict[str, object] = {"database_url": settings.database_url, "migrate_at_start": False}
    if not settings.page:
        chosen["page"] = False
    if settings.root_path:
        chosen["root_path"] = settings.root_path
    if "STEELYARD_ALLOWED_HOSTS" not in os.environ:
        chosen["allowed_hosts"] = ("*",) if settings.allow_remote else (*LOOPBACK, settings.host)
    return ApiSettings(**chosen)  # type: ignore[arg-type]
