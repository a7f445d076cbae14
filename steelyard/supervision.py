"""Keep worker processes alive: start them, start them again when they die, end them with the service."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from search.out_of_memory import OomKills, explain_kill
from search.processes import die_with_parent, signal_name

log = logging.getLogger("steelyard.serve")

LOOK_SECONDS = 5.0


class Process(Protocol):
    """What is needed of a running worker; `asyncio.subprocess.Process` has it."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...

    def send_signal(self, sig: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Restarts:
    """How soon a dead worker is started again: at once after a long life, else after a pause that doubles up to the longest."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    healthy_seconds: float = 60.0

    def pause(self, short_lives: int) -> float:
        """Return the seconds to wait after so many lives in a row that were shorter than `healthy_seconds`."""
        return 0.0 if short_lives == 0 else min(self.longest_seconds, self.first_seconds * 2.0 ** min(short_lives - 1, 30))


class Supervisor:
    """Keeps `count` workers alive until it is stopped.

    `start` starts the worker of a slot; `release(pid, lost)` gives back what a dead worker held: `lost` says how it died, None
    where it had been asked to end. `reap(pids)` lets go of dead processes that are none of these.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[int], Awaitable[Process]],
        release: Callable[[int, str | None], None],
        *,
        reap: Callable[[Collection[int]], None] = lambda own: None,
        restarts: Restarts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._start = start
        self._release = release
        self._reap = reap
        self._starting = 0
        self._restarts = restarts or Restarts()
        self._clock = clock
        self._running: dict[int, Process] = {}
        self._tried_since: dict[int, float] = {}
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [process.pid for process in self._running.values()]

    def starting(self, within_seconds: float) -> int:
        """Return how many processes run that may still be starting: the tries of their slot began within so many seconds.

        A worker that dies young is tried again; one that lived long begins anew. Any thread may ask.
        """
        latest = self._clock() - within_seconds
        return sum(self._tried_since[slot] > latest for slot in list(self._running))

    def start(self) -> None:
        """Start all workers and keep them alive from now on."""
        self._tasks = [asyncio.create_task(self._keep(slot)) for slot in range(self._count)]

    def terminate(self) -> None:
        """Start no more workers, and ask those that run to finish: each gives its lease back. Asked again, does nothing."""
        if not self._ending.is_set():  # a worker that is asked twice ends at once
            self._ending.set()
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all workers at once."""
        self._ending.set()
        self._signal(signal.SIGKILL)

    async def ended(self, within_seconds: float) -> None:
        """Return when all workers have ended; those that take longer are killed."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=within_seconds)
        if late:
            log.warning("%d workers did not end within %g s and are killed", len(late), within_seconds)
            self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, slot: int) -> None:
        short_lives = 0
        while not self._ending.is_set():
            began = self._clock()
            if short_lives == 0:
                self._tried_since[slot] = began
            await self._live(slot)
            long_lived = self._clock() - began >= self._restarts.healthy_seconds
            short_lives = 0 if long_lived else short_lives + 1
            await self._rest(self._restarts.pause(short_lives))

    async def _live(self, slot: int) -> None:
        """Run one worker from its start to its end, and give back what it held."""
        self._starting += 1
        try:
            process = await self._start(slot)
        except OSError as error:
            log.error("worker %d could not be started: %s", slot, error)
            return
        finally:
            self._starting -= 1
        self._running[slot] = process
        if self._ending.is_set():  # asked while it was starting
            self._signal(signal.SIGTERM)
        code, kills = await self._end_of(process)
        del self._running[slot]
        lost = None if self._ending.is_set() else _ending_of(code, kills)
        if lost:
            log.warning("worker %d (pid %d) %s; another is started", slot, process.pid, lost)
        if lost or code != 0:
            try:
                await asyncio.to_thread(self._release, process.pid, lost)
            except Exception:  # its lease expires by itself; the slot must live on
                log.exception("what worker %d held could not be given back", slot)

    async def _end_of(self, process: Process) -> tuple[int, OomKills]:
        """Wait for a process's end; return its exit code, and the kills for want of memory that were counted shortly before."""
        ended, kills = asyncio.ensure_future(process.wait()), OomKills.so_far()
        while True:
            before, kills = kills, OomKills.so_far()
            await asyncio.wait([ended], timeout=LOOK_SECONDS)
            if ended.done():
                return ended.result(), before
            if self._starting == 0:  # else there is a worker that is not yet known as one
                self._reap(self.pids)

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for."""
        try:
            await asyncio.wait_for(self._ending.wait(), timeout=seconds)
        except TimeoutError:
            return

    def _signal(self, number: signal.Signals) -> None:
        for process in list(self._running.values()):
            try:
                process.send_signal(number)
            except ProcessLookupError:
                continue


def end_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent process is gone, however it went. Raises SystemExit where it is gone already."""
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it went before the kernel was asked
        raise SystemExit(0)


def _ending_of(code: int, kills: OomKills) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return explain_kill(kills).text if code == -signal.SIGKILL else f"was ended by {signal_name(-code)}"
