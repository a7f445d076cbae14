"""Turn away what no route should ever see: foreign hosts, cross-site writes, compressed, oversized, slow or mis-measured bodies.

One plain ASGI layer in front of the routes. (Starlette's own host and size checks answer in plain text.)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem_response
from app.refusals import BodyTooLarge, BodyTooSlow, ForeignHost, ForeignOrigin, Refusal, UnreadableBody, UnsupportedBody
from app.settings import ApiSettings
from search.errors import Fault, shown

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Check a request's headers before anything else happens, and its body while it is read."""

    def __init__(self, app: ASGIApp, *, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            length = self._checked(scope["method"], Headers(scope=scope))
        except Refusal as refusal:
            await problem_response(refusal)(scope, receive, send)
            return
        await self._app(scope, IncomingBody(receive, length, self._settings).receive, send)

    def _checked(self, method: str, headers: Headers) -> int | None:
        """Return the announced length of the body. Raises a Refusal for headers that are turned away."""
        host = headers.get("host", "")
        if "*" not in self._hosts and (_name_of(host) not in self._hosts or len(headers.getlist("host")) > 1):
            raise ForeignHost(host)
        origin = headers.get("origin")
        if method not in SAFE_METHODS and origin is not None and _netloc_of(origin) != host.lower():
            raise ForeignOrigin(origin)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            fault = Fault("header.content-encoding", "no content encoding: send the body as it is", shown(encoding))
            raise UnsupportedBody(str(fault), faults=[fault])
        return self._length(headers.getlist("content-length"))

    def _length(self, sent: list[str]) -> int | None:
        if not sent:
            return None
        if len(set(sent)) > 1 or not (sent[0].isascii() and sent[0].isdigit()) or len(sent[0]) > 18:
            fault = Fault("header.content-length", "one whole number", shown(", ".join(sent)))
            raise UnreadableBody(str(fault), faults=[fault])
        if int(sent[0]) > self._settings.max_body_bytes:
            raise BodyTooLarge(self._settings.max_body_bytes)
        return int(sent[0])


def _netloc_of(origin: str) -> str:
    """Return the host and port in an Origin header; empty where there is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port; empty where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


@dataclass
class IncomingBody:
    """One request's body on its way in: counted, and given a deadline from the first time it is asked for."""

    source: Receive
    length: int | None
    settings: ApiSettings
    received: int = 0
    complete: bool = False
    deadline: float | None = None

    async def receive(self) -> Message:
        """Return the next message. Raises BodyTooLarge, BodyTooSlow and UnreadableBody (shorter or longer than announced)."""
        if self.complete:
            return await self.source()
        self.deadline = self.deadline or asyncio.get_running_loop().time() + self.settings.body_timeout_seconds
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.source()
        except TimeoutError:
            raise BodyTooSlow(self.settings.body_timeout_seconds) from None
        self._count(message)
        return message

    def _count(self, message: Message) -> None:
        if message["type"] != "http.request":
            self.complete = True
            return
        self.received += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self.received > self.settings.max_body_bytes:
            raise BodyTooLarge(self.settings.max_body_bytes)
        if self.complete and self.length is not None and self.received != self.length:
            fault = Fault("header.content-length", f"the body's length, {self.received}", str(self.length))
            raise UnreadableBody(str(fault), faults=[fault])
