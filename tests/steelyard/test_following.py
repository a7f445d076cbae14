"""Following a study by its events: what is seen at once, what is survived, and what is done without a stream."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from steelyard import following
from steelyard.client import Client
from steelyard.connection import Retries
from steelyard.following import server_sent
from tests.steelyard.conftest import Service, running
from tests.steelyard.fakes import Script, broken, client_of, event_stream, ok, study
from tests.steelyard.filled import submitted

LONG = 3600.0
END = study(state="COMPLETE", ended=True)
STATE, TRIAL = b'event: study.state\ndata: {"state": "RUNNING"}\nid: 7\n\n', b"event: trial.state\ndata: {}\nid: 8\n\n"
FAST = Retries(first_seconds=0.0)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_read_whatever_the_chunks_they_come_in(size: int) -> None:
    sent = b": ping\n\nid: 1\nevent: a\ndata: x\n\n" + b"event: b\r\nid:2\r\n\r\n" + b"id: 3\nevent: half"
    chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert list(server_sent(chunks)) == [("1", "a"), ("2", "b")]


def test_the_end_is_seen_by_the_stream_without_polling(service: Service, client: Client, name: str) -> None:
    asked: list[tuple[str, str]] = []

    class Recorded(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append((urlsplit(str(request.url)).path, request.url.query.decode()))
            return super().handle_request(request)

    submitted(client, name)
    with Client(service.url, transport=Recorded()) as watching:
        snapshots = watching.watch(name, every_seconds=LONG)
        assert next(snapshots)["state"] == "QUEUED"
        threading.Timer(0.2, client.cancel, [name]).start()
        assert [each["state"] for each in snapshots] == ["CANCELLED"]
    study_path = f"/v1/studies/{name}"
    assert asked[:2] == [(study_path, ""), (f"{study_path}/events", "last=1")]
    assert set(asked[2:]) == {(study_path, "")}  # none that the service holds back
    assert len(asked) <= 4


def test_a_restart_of_the_service_in_the_middle_is_survived(migrated_sqlite_file: Path, tmp_path: Path, name: str) -> None:
    database = f"sqlite:///{shutil.copyfile(migrated_sqlite_file, tmp_path / 'steelyard.db')}"
    with running(database) as url:
        watching = Client(url)
        submitted(watching, name)
        snapshots = watching.watch(name)
        next(snapshots)
    with running(database, urlsplit(url).port or 0), Client(url) as other:
        other.cancel(name)
        assert [each["state"] for each in snapshots][-1] == "CANCELLED"
        watching.close()


def test_a_stream_that_breaks_goes_on_after_the_last_event_that_came() -> None:
    first = event_stream(broken([STATE], httpx.ReadError("lost")))
    script = Script([ok(study()), ok(study()), ok(study()), ok(END)], streams=[first, event_stream(TRIAL + STATE)])
    assert list(client_of(script, retries=FAST).watch("s", every_seconds=LONG))[-1] == END
    sent = [(dict(request.url.params), request.headers.get("last-event-id")) for request in script.stream_requests[:2]]
    assert sent[0] == ({"last": "1"}, None)
    assert sent[1:] in ([], [({}, "7")])  # the end may be seen before it is asked for again


@pytest.mark.parametrize("answer", [ok({}), httpx.Response(200, content=b"<html>", headers={"content-type": "text/html"})])
def test_without_a_stream_the_service_is_asked_to_hold_its_answers(answer: httpx.Response) -> None:
    script = Script([ok(study()), ok(END)], streams=[answer])
    list(client_of(script).watch("s", every_seconds=5))
    assert [dict(request.url.params) for request in script.requests] == [{}, {"wait": "5"}]


def test_a_stream_that_is_held_back_on_its_way_is_not_relied_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_SECONDS", 0.01)
    ended = threading.Event()

    class Silent(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b": ping\n\n"
            ended.wait(60)

    script = Script([ok(study()), ok(END)], streams=[event_stream(Silent())])
    try:
        list(client_of(script).watch("s", every_seconds=5))
    finally:
        ended.set()
    assert [dict(request.url.params) for request in script.requests] == [{}, {"wait": "5"}]
