"""HTTP connections with deadlines: what uvicorn's protocol lacks against slow, silent and too many clients.

A request's header must be complete within a few seconds of its first byte, however it drips; `app.guard` has the body's deadline.
When descriptors run out, the oldest connection without a complete request makes room for the newest, so liveness always answers.
An answer is read slowly for as long as it takes, but not left unread.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from app.errors import problem_response
from app.refusals import HeaderTooLarge, HeaderTooSlow, MalformedRequest, Refusal

MAX_HEADER_BYTES = 16_384
WRITE_SECONDS = 60.0
READ_BYTES = 16_384
"""How much of its answer a client must read within `WRITE_SECONDS`, or all of what is left."""
SPARE_DESCRIPTORS = 64
"""Descriptors that connections leave to the database, the workers' pipes and the log; at most a quarter of the limit."""


class WaitingConnections:
    """The connections of one server that have not sent a complete request, oldest first; idle keep-alive connections too."""

    def __init__(self) -> None:
        self._waiting: dict[DeadlineProtocol, None] = {}

    def add(self, connection: DeadlineProtocol) -> None:
        """Put a connection behind all others; one that waits already keeps its place."""
        self._waiting.setdefault(connection)

    def discard(self, connection: DeadlineProtocol) -> None:
        self._waiting.pop(connection, None)

    def close_oldest(self, but: DeadlineProtocol | None = None) -> bool:
        """Close the connection that has waited longest, `but` excepted. Return False where there is none."""
        oldest = next((each for each in self._waiting if each is not but), None)
        if oldest is None:
            return False
        self.discard(oldest)
        oldest.transport.abort()
        return True


def most_descriptors() -> int:
    """Return how many descriptors may be open before connections are closed, by the limit that holds at this moment."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit - min(SPARE_DESCRIPTORS, limit // 4)


class _Connection(h11.Connection):
    """An h11 connection that keeps what it refused: uvicorn's protocol passes on only that it did."""

    refused: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.refused = error
            raise


class DeadlineProtocol(H11Protocol):
    """One connection. `header_seconds` from a request's first byte to its header's end; an idle connection gets no longer."""

    def __init__(self, *, header_seconds: float, waiting: WaitingConnections, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self.conn: _Connection = _Connection(h11.SERVER, MAX_HEADER_BYTES)
        self._header_seconds, self._waiting = header_seconds, waiting
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # whatever is left unread is watched
        opened = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # what the system holds back besides would hide megabytes of slow reading
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, READ_BYTES)
        self._await_header()
        # The system hands out the lowest free descriptor: all below this one are taken.
        for _ in range(opened.fileno() + 1 - most_descriptors()):
            self._waiting.close_oldest(but=self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.discard(self)
        self._end_deadline()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            self._await_header()
        elif not self._answered_early():
            self._end_deadline()
            if self.conn.their_state is not h11.SEND_BODY:
                self._waiting.discard(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._answered_early():
            self._set_deadline()  # for the rest of the body, which nobody reads
        elif self.conn.their_state is h11.IDLE:
            self._waiting.add(self)  # uvicorn's keep-alive deadline holds until the next byte

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem document, and close. Overrides uvicorn's answer in plain text."""
        refused = self.conn.refused
        if refused is not None and refused.error_status_hint == 431:
            self._refuse(HeaderTooLarge(MAX_HEADER_BYTES))
        else:
            self._refuse(MalformedRequest(str(refused or msg)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _watch_reading(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._write_deadline = self.loop.call_later(WRITE_SECONDS, self._check_reading, unread)

    def _check_reading(self, unread: int) -> None:
        if unread - self.transport.get_write_buffer_size() < READ_BYTES:
            self.transport.abort()
        else:
            self._watch_reading()

    def _answered_early(self) -> bool:
        """Return whether a request was answered before its body was complete."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete

    def _await_header(self) -> None:
        self._waiting.add(self)
        self._set_deadline()

    def _set_deadline(self) -> None:
        if self._deadline is None:  # not set anew by every byte
            self._deadline = self.loop.call_later(self._header_seconds, self._too_slow)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        began, _ = self.conn.trailing_data
        if began and self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._refuse(HeaderTooSlow(self._header_seconds))
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its task must not answer too
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem_response(refusal)
            headers = [*self.server_state.default_headers, *answer.raw_headers, (b"connection", b"close")]
            reason = STATUS_PHRASES[answer.status_code]
            head = h11.Response(status_code=answer.status_code, headers=headers, reason=reason)
            to_head = self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
            for event in (head, h11.Data(data=b"" if to_head else bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
