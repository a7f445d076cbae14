"""What tests put in place of the network and of time; nothing of Steelyard's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from steelyard.client import Client
from steelyard.connection import Clock, Retries

URL = "http://service.test"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class FakeTime:
    """A clock that only moves when someone sleeps."""

    at: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, sleep=self.sleep)


@dataclass
class Script:
    """A transport that gives prepared answers in turn, the last one for ever, and keeps the requests.

    `streams` are the answers to who asks for events, in turn; beyond them there is no such stream.
    """

    answers: list[Answer]
    requests: list[httpx.Request] = field(default_factory=list)
    streams: list[Answer] = field(default_factory=list)
    stream_requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            self.stream_requests.append(request)
            number = len(self.stream_requests)
            answer = self.streams[number - 1] if number <= len(self.streams) else problem(404, "not-found")
        else:
            answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
            self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def client_of(script: Script, time: FakeTime | None = None, retries: Retries | None = None) -> Client:
    return Client(URL, transport=httpx.MockTransport(script), clock=(time or FakeTime()).clock, retries=retries)


def problem(status: int, slug: str, detail: str = "no", headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {"type": f"/problems/{slug}", "title": "Refused", "status": status, "detail": detail, "errors": [], **more}
    return httpx.Response(
        status, content=json.dumps(body).encode(), headers={"content-type": "application/problem+json", **(headers or {})}
    )


def ok(body: Any = None, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={} if body is None else body)


def study(**changes: Any) -> dict[str, Any]:
    """Return a study as the service shows it."""
    states = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAILED", "DIVERGED", "CANCELLED")
    counts = {**dict.fromkeys(states, 0), **changes.pop("counts", {})}
    progress = {
        "trials": counts,
        "planned": 10,
        "epochs": 0,
        "epochs_planned": 100,
        "seconds_left": None,
        **changes.pop("progress", {}),
    }
    return {
        "name": "s",
        "state": "RUNNING",
        "ended": False,
        "reason": None,
        "warnings": [],
        "definition": {},
        "definition_sha256": "d",
        "problem_sha256": "p",
        "progress": progress,
        "best": None,
        "times": {"created_at": "2026-01-01T12:00:00Z", "updated_at": "2026-01-01T12:00:00Z", "started_at": None, "ended_at": None},
        "not_finite": {},
        **changes,
    }


def event_stream(chunks: httpx.SyncByteStream | bytes) -> httpx.Response:
    """Return an answer that is a stream of events."""
    more = {"content": chunks} if isinstance(chunks, bytes) else {"stream": chunks}
    return httpx.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, **more)


def broken(chunks: list[bytes], error: Exception) -> httpx.SyncByteStream:
    """Return a body that breaks off after some chunks."""

    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from chunks
            raise error

    return Broken()
