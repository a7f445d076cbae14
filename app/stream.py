"""Streams of events: one query a second for everybody who watches, however many they are."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from storage import events, study_rows
from storage.changes import Changes
from storage.database import Database
from storage.errors import StorageError, StudyNotFound
from storage.records import EventRecord

log = logging.getLogger("steelyard.api")

MOST_AT_ONCE = 1000
MOST_WAITING = 5000
LATE_SECONDS, LATE_IDS = 15.0, 1000
"""PostgreSQL: how long, and how many ids back, an event may not be committed while later ones of other studies are seen."""

LEAST_SECONDS, LOOK_SECONDS = 0.05, 0.02
"""How long there is no other look after one, and how soon it is noticed that somebody has written to an SQLite file."""

IDLE_SECONDS = 15.0
"""After so long without news of its study a watcher makes sure that it is still there: it may have gone before the first look."""


def most_watchers() -> int:
    """Return how many may watch at once: half of the descriptors that may be open, by the limit that holds at this moment."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit // 2


@dataclass(frozen=True)
class Deleted:
    """A study is gone, and its events with it."""

    study_id: int


Named = tuple[str, EventRecord | Deleted]
"""What happened, with the study's name."""


@dataclass(frozen=True)
class _Present:
    """The studies that there are, by id; `mark` says without their names whether others are there."""

    mark: tuple[int, int]
    names: Mapping[int, str]


@dataclass(eq=False)
class Watcher:
    """Somebody who is sent what is new. `lagging` where more has gathered than is kept: it must begin anew."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: deque[Named] = field(default_factory=deque)
    lagging: bool = False
    ended: bool = False

    def add(self, found: list[Named]) -> None:
        if len(self.waiting) + len(found) > MOST_WAITING:
            self.waiting.clear()
            self.lagging = True
        else:
            self.waiting.extend(found)
        self.news.set()

    async def next(self) -> list[Named]:
        """Return what has come since, waiting for it if need be; nothing once the service closes, or after a while without news."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self.news.wait()
        except TimeoutError:
            return []
        self.news.clear()
        found = list(self.waiting)
        self.waiting.clear()
        return found


class EventStream:
    """Looks for new events every `every_seconds`, or sooner, while somebody watches, and hands them to all watchers."""

    def __init__(self, database: Database, closing: Callable[[], bool], every_seconds: float) -> None:
        self._database = database
        self._closing = closing
        self._every_seconds = every_seconds
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()  # of the present task
        self._ending: set[asyncio.Task[None]] = set()  # tasks that nobody needs any more: what they read is read to its end
        self._starting = asyncio.Lock()
        late = database.dialect != "sqlite"
        self._late_seconds, self._late_ids = (LATE_SECONDS, LATE_IDS) if late else (0.0, 0)

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Watcher]:
        """Register a watcher for the length of a block: every event from now on comes to it, some of them twice."""
        watcher = Watcher()
        async with self._starting:
            if self._task is None or self._task.done():
                begin, present = await run_in_threadpool(self._begin)
                self._stopped = asyncio.Event()
                self._task = asyncio.get_running_loop().create_task(self._look(begin, present, self._stopped))
            self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._stopped.set()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None

    async def close(self) -> None:
        """Stop looking; the streams of whoever still watches end."""
        self._stop()
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._end()

    def _begin(self) -> tuple[int, _Present]:
        with self._database.reading() as session:
            present = _Present(study_rows.study_mark(session), study_rows.study_names(session))
            return max(events.latest_event_id(session) - self._late_ids, 0), present

    async def _look(self, begin: int, present: _Present, stopped: asyncio.Event) -> None:
        # Where looks begin, by time. On PostgreSQL some way back: what was seen there comes again, and a late one with it.
        seen, changes = deque([(time.monotonic(), begin)]), Changes(self._database)
        try:
            while not stopped.is_set() and not self._closing():
                try:
                    found, gone, present = await run_in_threadpool(self._new, seen[0][1], present)
                except StorageError as error:
                    log.warning("events could not be read: %s", error)
                else:
                    now = time.monotonic()
                    seen.append((now, max(found[-1][1].id if found else 0, seen[-1][1])))
                    while len(seen) > 1 and seen[1][0] <= now - self._late_seconds:
                        seen.popleft()
                    for watcher in self._watchers if found or gone else ():
                        watcher.add([*found, *gone])
                await self._pause(stopped, changes)
        finally:
            changes.close()
            if self._task is asyncio.current_task():  # otherwise nobody watched, and another look may have begun
                self._end()

    async def _pause(self, stopped: asyncio.Event, changes: Changes) -> None:
        """Wait `every_seconds`, or less where somebody writes to an SQLite file, but LEAST_SECONDS at least."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < self._every_seconds and not stopped.is_set():
            if waited >= LEAST_SECONDS and changes.any():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_SECONDS, self._every_seconds - waited)):
                    await stopped.wait()

    def _end(self) -> None:
        for watcher in self._watchers:
            watcher.ended = True
            watcher.news.set()

    def _new(self, after: int, present: _Present) -> tuple[list[tuple[str, EventRecord]], list[Named], _Present]:
        """Return the events after an id, the studies that have been deleted, and those that there are now."""
        found: list[tuple[str, EventRecord]] = []
        with self._database.reading() as session:
            while page := events.events_of_all(session, after, MOST_AT_ONCE):
                found += page
                after = page[-1][1].id
            if (mark := study_rows.study_mark(session)) == present.mark:
                return found, [], present
            now = _Present(mark, study_rows.study_names(session))
        gone: list[Named] = [(name, Deleted(id_)) for id_, name in present.names.items() if id_ not in now.names]
        return found, gone, now


async def study_events(
    stream: EventStream, database: Database, study_id: int, *, last: int = 0, after: int | None = None, follow: bool = True
) -> AsyncIterator[EventRecord]:
    """Yield the events of one study, each once and in order: those after id `after`, else the `last` latest, then every new one.

    Without `follow` it ends after those that are there; else with the service, or when the study is deleted.
    """
    async with stream.watching() as watcher:
        at, known = await run_in_threadpool(_known, database, study_id, last, after)
        while known:
            for event in known:
                yield event
                at = event.id
            known = await run_in_threadpool(_after, database, study_id, at)
        heard = time.monotonic()
        while follow and not watcher.ended:
            news = await watcher.next()
            found = [event for _, event in news if event.study_id == study_id]
            if watcher.lagging:
                watcher.lagging = False
                while missed := await run_in_threadpool(_after, database, study_id, at):
                    for event in missed:
                        yield event
                        at = event.id
            elif not news or (not found and time.monotonic() - heard >= IDLE_SECONDS):  # news of others says nothing of this one
                if not await run_in_threadpool(_is_there, database, study_id):
                    return
                heard = time.monotonic()
            for each in found:
                if isinstance(each, Deleted):
                    return
                if each.id > at:  # what is looked at again comes twice, maybe in one go
                    yield each
                    at, heard = each.id, time.monotonic()


def _known(database: Database, study_id: int, last: int, after: int | None) -> tuple[int, list[EventRecord]]:
    """Return the id to go on from, and what is to be sent first."""
    with database.reading() as session:
        if after is not None:
            return after, events.events_after(session, study_id, after, MOST_AT_ONCE)
        found = events.last_events(session, study_id, max(last, 1))
        return (found[-1].id if found else 0), (found if last else [])


def _after(database: Database, study_id: int, at: int) -> list[EventRecord]:
    with database.reading() as session:
        return events.events_after(session, study_id, at, MOST_AT_ONCE)


def _is_there(database: Database, study_id: int) -> bool:
    try:
        with database.reading() as session:
            study_rows.get_study_by_id(session, study_id)
    except StudyNotFound:
        return False
    except StorageError as error:
        log.warning("whether a watched study is there could not be read: %s", error)
    return True


async def changed_studies(stream: EventStream) -> AsyncIterator[str]:
    """Yield the name of every study to which something happens, once for all that is found in one look. Ends with the service.

    A study that is deleted is named too.
    """
    seen: dict[str, int] = {}
    async with stream.watching() as watcher:
        while not watcher.ended:
            latest = dict(await watcher.next())
            for name, event in latest.items():
                if isinstance(event, Deleted):
                    seen.pop(name, None)
                    yield name
                elif event.id > seen.get(name, 0):
                    seen[name] = event.id
                    yield name
