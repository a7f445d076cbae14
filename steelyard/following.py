"""Follow a study by its stream of events, and by asking again and again where there is no stream."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Self

from steelyard.connection import Clock, Connection, Retries
from steelyard.documents import Study
from steelyard.errors import ServiceFailed, ServiceUnreachable, SteelyardError, TooManyRequests

if TYPE_CHECKING:
    import httpx

QUIET_SECONDS = 5.0
"""After so long without an event a study is looked at all the same: its epochs make no events."""

FIRST_SECONDS = 2.0
"""How long a stream may take to send its first event. Until then it is not relied on: a proxy may hold it back for ever."""

STATE = "study.state"
AGAIN = (ServiceUnreachable, ServiceFailed, TooManyRequests)
"""After these a stream is asked for again; any other refusal means that there is none."""


class FeedState(Enum):
    """How a feed stands."""

    OPENING = "asked for; nothing has come yet"
    LIVE = "brings what happens"
    BROKEN = "lost; it will be asked for again"
    ABSENT = "the service has none"


class EventFeed:
    """The news of one study, read from its stream of events by a thread.

    A stream that breaks is opened again after the last event that came. It asks for the latest event first, so whoever has looked
    at the study before misses nothing.
    """

    def __init__(self, connection: Connection, path: str, retries: Retries) -> None:
        self._connection, self._path, self._retries = connection, path, retries
        self._changed = threading.Condition()
        self._state = FeedState.OPENING
        self._news = False
        self._urgent = False
        self._last_id: str | None = None
        self._closed = threading.Event()
        self._response: httpx.Response | None = None

    @property
    def live(self) -> bool:
        """Whether what happens is brought at once."""
        return self._state is FeedState.LIVE

    def start(self) -> None:
        """Begin, and wait for the first event, or until it is clear that none comes."""
        threading.Thread(target=self._run, name="steelyard-events", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._state is not FeedState.OPENING, FIRST_SECONDS)

    def wait(self, seconds: float, *, state_only: bool = False) -> None:
        """Wait for news, with `state_only` for a change of the study's state, while the stream lives and for at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self.live or self._urgent or (self._news and not state_only), max(seconds, 0.0))

    def take(self) -> None:
        """Forget the news so far: the study is looked at now."""
        with self._changed:
            self._news = self._urgent = False

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        with self._changed:
            response = self._response
        stream = None if response is None else response.extensions.get("network_stream")
        opened = None if stream is None else stream.get_extra_info("socket")
        if opened is not None:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # its reader wakes up

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            before = self._last_id
            try:
                self._read()
            except AGAIN:
                pass
            except SteelyardError:
                self._turn(FeedState.ABSENT)
                return
            except Exception:
                if self._closed.is_set():  # its client has been closed under it
                    return
                self._turn(FeedState.ABSENT)
                raise
            self._turn(FeedState.BROKEN)
            failures = 1 if self._last_id != before else failures + 1
            self._closed.wait(self._retries.pause(failures, None, 0.5))

    def _read(self) -> None:
        """Read one stream to its end."""
        query = {} if self._last_id else {"last": 1}
        with self._connection.events(self._path, query, self._last_id) as response:
            with self._changed:
                self._response = response
            if self._last_id:  # this stream has come through before
                self._turn(FeedState.LIVE)
            try:
                for event_id, kind in server_sent(response.iter_bytes()):
                    if self._closed.is_set():
                        return
                    self._last_id = event_id or self._last_id
                    self._turn(FeedState.LIVE, news=True, urgent=kind == STATE)
            finally:
                with self._changed:
                    self._response = None

    def _turn(self, state: FeedState, *, news: bool = False, urgent: bool = False) -> None:
        with self._changed:
            self._state = state
            self._news |= news
            self._urgent |= urgent
            self._changed.notify_all()


def server_sent(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield id and kind of each event of a stream as its last line arrives; what an event does not say is empty."""
    pending, event_id, kind = b"", "", ""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").decode(errors="replace").partition(":")
            if field == "id":
                event_id = value.removeprefix(" ")
            elif field == "event":
                kind = value.removeprefix(" ")
            elif not field and not value:
                if event_id or kind:
                    yield event_id, kind
                event_id = kind = ""


class StudyWatch:
    """Looks at a study whenever something has happened to it.

    `look` returns the study as it is, held back by the service for so many seconds or until its end. A study is looked at most once
    in `every_seconds`, but at once when its state changes; without a stream, again after `longest_rest` seconds at the latest.
    """

    def __init__(
        self,
        look: Callable[[float], Study],
        feed: EventFeed,
        clock: Clock,
        every_seconds: float,
        longest_rest: Callable[[], float],
    ) -> None:
        self._look, self._feed, self._clock, self._every_seconds = look, feed, clock, every_seconds
        self._longest_rest = longest_rest
        self._seen: Study | None = None
        self._rests_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._feed.close()

    @property
    def seen(self) -> Study:
        """The last snapshot."""
        assert self._seen is not None
        return self._seen

    def next(self, within_seconds: float | None = None) -> Study | None:
        """Return the next snapshot that differs from the last one; None where none does in the time given.

        The first comes at once. After one that has ended there is no other.
        """
        if self._seen is None:
            self._seen = self._looked(0.0)
            if not self._seen["ended"]:
                self._feed.start()
            return self._seen
        end = None if within_seconds is None else self._clock.now() + within_seconds
        while (hold := self._rested(end)) is not None:
            snapshot = self._looked(hold)
            if snapshot != self._seen:
                self._seen = snapshot
                return snapshot
        return None

    def _looked(self, hold: float) -> Study:
        asked = self._clock.now()
        self._feed.take()
        snapshot = self._look(hold)
        self._rests_until = asked + (self._every_seconds if self._feed.live else min(hold, self._longest_rest()))
        return snapshot

    def _rested(self, end: float | None) -> float | None:
        """Wait until another look is worth it; return how long the service is to hold its answer back, None at the end."""
        rest = self._left(self._rests_until, end)
        if not self._feed.live:
            if rest > 0:  # the service did not hold its answer back
                self._clock.sleep(rest)
        else:
            self._feed.wait(rest, state_only=True)
            self._feed.wait(self._left(self._rests_until + max(QUIET_SECONDS - self._every_seconds, 0.0), end))
            if self._feed.live and (end is None or self._clock.now() < end):
                return 0.0
        hold = self._left(self._clock.now() + self._every_seconds, end)
        return hold if hold > 0 else None

    def _left(self, until: float, end: float | None) -> float:
        """Return the seconds until then, or to the end."""
        return (until if end is None else min(until, end)) - self._clock.now()
