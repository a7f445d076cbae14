"""Connections that are slow, silent, broken or too many, against the real server."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import resource
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from app.main import create_app
from app.settings import ApiSettings
from steelyard.http_protocol import READ_BYTES, WRITE_SECONDS, DeadlineProtocol, WaitingConnections, most_descriptors
from steelyard.logs import SameWarningFilter
from steelyard.serving import Server, listening_socket
from tests.steelyard.test_serve import serving

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def port(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Give the port of a server that waits a fifth of a second for a header or a body."""
    url = f"sqlite:///{shutil.copyfile(migrated_sqlite_file, tmp_path_factory.mktemp('impatient') / 'x.db')}"
    ready = threading.Event()
    server = Server(create_app(ApiSettings(database_url=url, header_timeout_seconds=0.2, body_timeout_seconds=0.2)), ready.set)
    opened = listening_socket("127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[opened])))
    thread.start()
    assert ready.wait(30)
    yield opened.getsockname()[1]
    server.end()
    thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as opened:
        yield opened


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def answered(connection: socket.socket) -> bool:
    """Read the answer to `LIVEZ`; gives whether it is a 200."""
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(65536)
    return received.startswith(b"HTTP/1.1 200")


def drip(connection: socket.socket) -> None:
    """Send a byte now and then for as long as anybody takes it."""
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            connection.sendall(b"a")
            time.sleep(0.02)
    except OSError:
        return
    raise AssertionError("the server kept the connection")


def problem(answer: bytes) -> dict[str, Any]:
    """Return the problem document of an answer, and check that it says how long it is and that the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert f"content-length: {len(body)}".encode() in head
    document: dict[str, Any] = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {document['status']} ".encode())
    return document


def test_half_a_header_is_a_408(connection: socket.socket) -> None:
    connection.sendall(LIVEZ)
    assert problem(rest(connection))["type"] == "/problems/header-too-slow"


def test_a_header_that_drips_ends_at_the_same_deadline(connection: socket.socket) -> None:
    connection.sendall(LIVEZ + b"X-Long: ")
    drip(connection)


def test_a_silent_connection_is_closed_without_a_word(connection: socket.socket) -> None:
    assert rest(connection) == b""


def test_half_a_header_after_an_answered_request_is_a_408_too(connection: socket.socket) -> None:
    connection.sendall(LIVEZ + b"\r\n")
    assert answered(connection)
    connection.sendall(LIVEZ)
    assert problem(rest(connection))["type"] == "/problems/header-too-slow"


def test_requests_share_a_connection(connection: socket.socket) -> None:
    for _ in range(3):
        connection.sendall(LIVEZ + b"\r\n")
        assert answered(connection)


def test_pipelined_requests_are_all_answered(connection: socket.socket) -> None:
    connection.sendall((LIVEZ + b"\r\n") * 2 + LIVEZ + b"Connection: close\r\n\r\n")
    assert rest(connection).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    "sent", [b"\x00\x01\x02\r\n\r\n", b"GET /livez\r\n\r\n", b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_not_http_is_a_problem_document(connection: socket.socket, sent: bytes) -> None:
    connection.sendall(sent)
    found = problem(rest(connection))
    assert (found["status"], found["type"]) == (400, "/problems/malformed-request")


def test_a_header_that_is_too_large_is_a_431(connection: socket.socket) -> None:
    connection.sendall(LIVEZ + b"X-Long: " + b"a" * 20_000)
    assert problem(rest(connection))["limit"] == 16384


def test_a_body_that_drips_is_a_408_and_the_connection_ends(connection: socket.socket) -> None:
    header = b"POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    connection.sendall(header)
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408")
    drip(connection)


def test_a_body_that_nobody_reads_does_not_hold_the_connection(connection: socket.socket) -> None:
    connection.sendall(LIVEZ + b"Content-Length: 100000\r\n\r\n")
    assert answered(connection)
    drip(connection)


def test_a_body_that_breaks_off_into_nonsense_is_a_problem_document(connection: socket.socket) -> None:
    header = b"POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(header + b"not a length\r\n")
    assert problem(rest(connection))["type"] == "/problems/malformed-request"


def test_a_head_with_a_bad_chunk_is_refused_without_a_body(connection: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    connection.sendall(b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n")
    head, _, body = rest(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b""
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
def of_protocol() -> tuple[DeadlineProtocol, Any, dict[str, Any]]:
    """Give a connection's protocol with a transport and a loop that are played, and the call that the loop has been asked for."""
    planned: dict[str, Any] = {}

    def call_later(seconds: float, call: Any, *of: Any) -> Any:
        planned.update(seconds=seconds, call=lambda: call(*of))
        return SimpleNamespace(cancel=planned.clear)

    loop: Any = SimpleNamespace(call_later=call_later)
    config = uvicorn.Config(lambda: None, log_config=None)
    shared: dict[str, Any] = {"server_state": uvicorn.server.ServerState(), "app_state": {}, "_loop": loop}
    made = DeadlineProtocol(header_seconds=5.0, waiting=WaitingConnections(), config=config, **shared)
    transport: Any = SimpleNamespace(unread=100_000, aborted=False)
    transport.get_write_buffer_size = lambda: transport.unread
    transport.abort = lambda: setattr(transport, "aborted", True)
    flow: Any = SimpleNamespace(pause_writing=lambda: None, resume_writing=lambda: None)
    made.transport, made.flow = transport, flow
    return made, transport, planned


def test_an_answer_may_be_read_slowly_but_not_left(of_protocol: Any) -> None:
    protocol, transport, planned = of_protocol
    protocol.pause_writing()
    for left in (80_000, 60_000, 40_000):
        transport.unread = left
        assert planned["seconds"] == WRITE_SECONDS
        planned["call"]()
        assert not transport.aborted
    transport.unread -= READ_BYTES - 1
    planned["call"]()
    assert transport.aborted


def test_an_answer_that_was_read_is_watched_no_more(of_protocol: Any) -> None:
    protocol, _, planned = of_protocol
    protocol.pause_writing()
    protocol.resume_writing()
    assert planned == {}


def test_an_answer_that_nobody_reads_ends_its_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.http_protocol.WRITE_SECONDS", 0.3)
    lost, ports, connection_lost = threading.Event(), [], DeadlineProtocol.connection_lost

    def note(self: DeadlineProtocol, error: Exception | None) -> None:
        connection_lost(self, error)
        if self.client is not None and self.client[1] in ports:
            lost.set()

    monkeypatch.setattr(DeadlineProtocol, "connection_lost", note)
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)  # leaves less than asyncio's own 64 KiB unsent
        unread.connect(("127.0.0.1", port))
        ports.append(unread.getsockname()[1])
        unread.sendall(b"GET /v1/catalog HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert lost.wait(30)


WITHOUT_BODY = b"POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"


@pytest.mark.parametrize("sent", [LIVEZ, WITHOUT_BODY], ids=["header", "body"])
def test_liveness_answers_while_half_open_connections_take_all_descriptors(tmp_path, monkeypatch, sent):
    for part in ("HEADER", "BODY"):
        monkeypatch.setenv(f"STEELYARD_{part}_TIMEOUT_SECONDS", "300")  # nothing but the room made at the limit helps
    with serving(tmp_path, workers=0) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (256, 256))
        port = int(running.ready["url"].rpartition(":")[2])
        opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        for half_open in opened:
            half_open.sendall(sent)
        assert httpx.get(f"{running.ready['url']}/livez", timeout=30).status_code == 200
        assert running.client.catalog()["losses"]  # the database can be opened too
        for half_open in opened:
            half_open.close()
    assert (tmp_path / "log").stat().st_size < 10_000


@pytest.mark.parametrize(
    ("limit", "most"), [(256, 192), (1024, 960), (65536, 65472), (100, 75), (resource.RLIM_INFINITY, sys.maxsize)]
)
def test_connections_leave_descriptors_to_the_database(monkeypatch: pytest.MonkeyPatch, limit: int, most: int) -> None:
    monkeypatch.setattr("steelyard.http_protocol.resource.getrlimit", lambda kind: (limit, limit))
    assert most_descriptors() == most


class Quiet:
    """As much of a connection as the waiting list uses."""

    def __init__(self, closed: list[int], number: int) -> None:
        self.transport, self._closed, self._number = self, closed, number

    def abort(self) -> None:
        self._closed.append(self._number)


def test_the_oldest_waiting_connection_is_closed_first() -> None:
    closed: list[int] = []
    waiting: Any = WaitingConnections()
    connections = [Quiet(closed, number) for number in range(3)]
    for connection in connections:
        waiting.add(connection)
    waiting.discard(connections[0])
    assert [waiting.close_oldest(but=connections[2]) for _ in range(2)] == [True, False]
    assert closed == [1]


def test_a_refused_accept_is_a_line_in_the_log_and_other_errors_of_the_loop_stay_loud(tmp_path, caplog) -> None:
    server = Server(create_app(ApiSettings(database_url=f"sqlite:///{tmp_path}/x.db")), lambda: None)
    loop = asyncio.new_event_loop()
    refused = OSError(errno.EMFILE, "Too many open files")
    server._handle_loop_error(loop, {"message": "socket.accept() out of system resource", "exception": refused})
    server._handle_loop_error(loop, {"message": "another", "exception": refused})
    loop.close()
    said = [(record.name, record.levelname) for record in caplog.records]
    assert said == [("steelyard.http", "WARNING"), ("asyncio", "ERROR")]


def test_a_warning_is_said_once_a_minute_and_counted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seldom, said = [0.0], SameWarningFilter(), []
    monkeypatch.setattr("steelyard.logs.time.monotonic", lambda: now[0])

    def warn(level: int = logging.WARNING) -> None:
        record = logging.LogRecord("x", level, "", 0, "bad %s", ("request",), None)
        if seldom.filter(record):
            said.append(record.getMessage())

    for _ in range(3):
        warn()
    warn(logging.ERROR)
    now[0] = 61.0
    warn()
    assert said == ["bad request", "bad request", "bad request (2 more like it in between)"]
