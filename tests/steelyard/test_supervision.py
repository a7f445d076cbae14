"""Workers are kept alive, and end with the service."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from steelyard.supervision import Restarts, Supervisor

AT_ONCE = Restarts(first_seconds=0.0, longest_seconds=0.0)


class FakeProcess:
    """A worker that lives until it gets a signal that it heeds, or is let die."""

    def __init__(self, pid: int, heeds: tuple[int, ...] = (signal.SIGTERM, signal.SIGKILL)) -> None:
        self.pid = pid
        self.signals: list[int] = []
        self._heeds = heeds
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await self._code

    def send_signal(self, sig: int) -> None:
        self.signals.append(sig)
        if sig in self._heeds:
            self.die(0 if sig == signal.SIGTERM else -sig)

    def die(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)


class Factory:
    """Starts fake workers and keeps what was released."""

    def __init__(self, **changes: Any) -> None:
        self.started: list[FakeProcess] = []
        self.released: list[tuple[int, str | None]] = []
        self.failures = 0
        self._changes = changes
        self._arrived = asyncio.Condition()

    async def start(self, slot: int) -> FakeProcess:
        async with self._arrived:
            if self.failures:
                self.failures -= 1
                raise OSError("no more processes")
            self.started.append(FakeProcess(100 + len(self.started), **self._changes))
            self._arrived.notify_all()
            return self.started[-1]

    def release(self, pid: int, lost: str | None) -> None:
        self.released.append((pid, lost))

    async def has_started(self, count: int) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.started) >= count)
        await asyncio.sleep(0)

    def supervisor(self, count: int, restarts: Restarts = AT_ONCE) -> Supervisor:
        return Supervisor(count, self.start, self.release, restarts=restarts)


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), timeout=20))


def test_as_many_workers_run_as_were_asked_for():
    async def scene() -> None:
        factory = Factory()
        supervisor = factory.supervisor(3)
        supervisor.start()
        await factory.has_started(3)
        assert supervisor.pids == [100, 101, 102]
        supervisor.terminate()
        await supervisor.ended(5)
        assert supervisor.pids == []

    run(scene)


def test_a_dead_worker_is_released_as_lost_and_started_again():
    async def scene() -> None:
        factory = Factory()
        supervisor = factory.supervisor(1)
        supervisor.start()
        await factory.has_started(1)
        factory.started[0].die(-signal.SIGSEGV)
        await factory.has_started(2)
        assert factory.released == [(100, "was ended by SIGSEGV")]
        supervisor.terminate()
        await supervisor.ended(5)

    run(scene)


def test_a_worker_that_cannot_be_started_is_tried_again():
    async def scene() -> None:
        factory = Factory()
        factory.failures = 2
        supervisor = factory.supervisor(1)
        supervisor.start()
        await factory.has_started(1)
        supervisor.terminate()
        await supervisor.ended(5)

    run(scene)


def test_the_end_is_asked_for_once_and_no_worker_is_started_after_it():
    async def scene() -> None:
        factory = Factory()
        supervisor = factory.supervisor(2)
        supervisor.start()
        await factory.has_started(2)
        supervisor.terminate()
        supervisor.terminate()  # a worker that is asked twice would drop its work
        await supervisor.ended(5)
        assert [process.signals for process in factory.started] == [[signal.SIGTERM]] * 2
        assert factory.released == []

    run(scene)


def test_a_worker_that_does_not_end_is_killed_and_released_without_charge():
    async def scene() -> None:
        factory = Factory(heeds=(signal.SIGKILL,))
        supervisor = factory.supervisor(1)
        supervisor.start()
        await factory.has_started(1)
        supervisor.terminate()
        await supervisor.ended(0)
        assert factory.started[0].signals == [signal.SIGTERM, signal.SIGKILL]
        assert factory.released == [(100, None)]

    run(scene)


def test_a_worker_counts_as_starting_for_so_long_even_where_it_dies_young_and_is_started_again():
    async def scene() -> None:
        now = [100.0]
        factory = Factory()
        supervisor = Supervisor(1, factory.start, factory.release, restarts=AT_ONCE, clock=lambda: now[0])
        supervisor.start()
        await factory.has_started(1)
        now[0] = 159.0
        assert supervisor.starting(60) == 1
        factory.started[0].die(1)
        await factory.has_started(2)
        assert supervisor.starting(60) == 1
        now[0] = 160.0
        assert supervisor.starting(60) == 0
        now[0] = 300.0  # the second has lived long: what follows it is a start of its own
        factory.started[1].die(1)
        await factory.has_started(3)
        assert supervisor.starting(60) == 1
        supervisor.terminate()
        await supervisor.ended(5)
        assert supervisor.starting(60) == 0

    run(scene)


def test_a_pause_before_a_restart_does_not_delay_the_end():
    async def scene() -> None:
        factory = Factory()
        supervisor = factory.supervisor(1, Restarts(first_seconds=3600, longest_seconds=3600))
        supervisor.start()
        await factory.has_started(1)
        factory.started[0].die(1)
        while supervisor.pids:
            await asyncio.sleep(0)
        supervisor.terminate()
        await supervisor.ended(5)
        assert len(factory.started) == 1

    run(scene)


@pytest.mark.parametrize(("short_lives", "seconds"), [(0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)])
def test_restarts_come_later_the_oftener_a_worker_dies_young(short_lives, seconds):
    assert Restarts().pause(short_lives) == seconds


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_process_ends_when_its_parent_is_killed():
    child = (
        "import os, sys, time; from steelyard.supervision import end_with_parent; end_with_parent(int(sys.argv[1]));"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    parent = (
        f"import os, subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]); time.sleep(600)"
    )
    started = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline().strip()
    started.kill()
    # The pipe's last writer is the child: it is at its end when the child is.
    assert started.stdout.read() == b""
    started.stdout.close()
    started.wait()


def test_a_process_whose_parent_is_gone_already_ends_itself():
    code = "from steelyard.supervision import end_with_parent; end_with_parent(1 << 30); print('alive')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == ""
    assert os.getppid() != 1 << 30
