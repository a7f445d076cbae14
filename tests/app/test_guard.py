"""The guard in front of the routes, with bodies that come in pieces, late, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import pytest

from app.guard import Guard, IncomingBody
from app.refusals import BodyTooLarge, BodyTooSlow, UnreadableBody
from app.settings import ApiSettings

Message = MutableMapping[str, Any]
SETTINGS = ApiSettings(database_url="sqlite:///unused.db", max_body_bytes=1024, body_timeout_seconds=0.01)


def source(*messages: Message) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` that gives these, then nothing for ever."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def piece(size: int, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def read(messages: Iterable[Message], length: int | None) -> int:
    """Read a whole body through the guard; gives its size."""

    async def run() -> int:
        body, size, more = IncomingBody(source(*messages), length, SETTINGS), 0, True
        while more:
            message = await body.receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        return size

    return asyncio.run(run())


def test_a_body_in_pieces_is_passed_on() -> None:
    assert read([piece(500, True), piece(500, True), piece(24, False)], 1024) == 1024


def test_a_body_of_no_announced_length_is_counted() -> None:
    with pytest.raises(BodyTooLarge):
        read([piece(600, True), piece(600, False)], None)


@pytest.mark.parametrize("length", [9, 11])
def test_a_body_of_another_length_than_announced_is_refused(length: int) -> None:
    with pytest.raises(UnreadableBody, match="content-length"):
        read([piece(10, False)], length)


def test_a_body_that_does_not_come_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        read([piece(10, True)], 20)


def test_a_client_that_goes_away_is_passed_on() -> None:
    assert read([piece(10, True), {"type": "http.disconnect"}], 20) == 10


def test_after_the_body_there_is_no_deadline() -> None:
    async def run() -> bool:
        body = IncomingBody(source(piece(1, False)), 1, SETTINGS)
        await body.receive()
        waiting = asyncio.ensure_future(body.receive())  # as a long answer does, to hear of the client's leaving
        done, _ = await asyncio.wait([waiting], timeout=SETTINGS.body_timeout_seconds * 3)
        waiting.cancel()
        return bool(done)

    assert asyncio.run(run()) is False


def test_what_is_not_http_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(app, settings=SETTINGS)({"type": "lifespan"}, source(), source()))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
