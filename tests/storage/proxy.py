"""A TCP proxy between a test and PostgreSQL that delays, stalls, resets, and cuts a connection in its commit."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

COMMIT = b"COMMIT\x00"  # not the one in READ COMMITTED
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultyProxy:
    """Passes bytes between clients and a server until a fault is set. Runs in a thread of its own.

    `delay_seconds`: what each piece waits. `stalled`: nothing passes any more. `cut_before`, `cut_after`: the next connection whose
    client says COMMIT is reset before the server hears it, or once the server has done it and before the client hears so.
    """

    def __init__(self, server: str | tuple[str, int]) -> None:
        self._server = server
        self.delay_seconds = 0.0
        self.stalled = False
        self.refusing = False
        self.cut_before = self.cut_after = False
        self.cuts = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._listening = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._listening.sockets[0].getsockname()[1]

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def reset(self) -> None:
        """Reset all connections that are open now."""

        async def reset() -> None:
            for writer in list(self._writers):
                _abort(writer)

        self._call(reset())

    def close(self) -> None:
        """Accept no more, reset what is open, and end the thread."""
        self.stalled = False
        self._loop.call_soon_threadsafe(self._listening.close)
        self.reset()

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            _abort(writer)
            return
        if isinstance(self._server, str):
            upstream, up = await asyncio.open_unix_connection(self._server)
        else:
            upstream, up = await asyncio.open_connection(*self._server)
        self._writers |= {writer, up}
        try:
            await asyncio.gather(self._pass(reader, up, writer, True), self._pass(upstream, writer, up, False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers -= {writer, up}
            _abort(writer)
            _abort(up)

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, back: asyncio.StreamWriter, client: bool) -> None:
        while piece := await source.read(65536):
            await asyncio.sleep(self.delay_seconds)
            while self.stalled:
                await asyncio.sleep(0.01)
            if client and COMMIT in piece and (self.cut_before or self.cut_after):
                await self._cut(piece, to, back)
                return
            to.write(piece)
            await to.drain()
        with contextlib.suppress(OSError):
            to.write_eof()

    async def _cut(self, piece: bytes, server: asyncio.StreamWriter, client: asyncio.StreamWriter) -> None:
        heard, self.cut_before, self.cut_after = self.cut_after, False, False
        self.cuts += 1
        _abort(client)
        if heard:
            server.write(piece)
            await server.drain()
            await asyncio.sleep(0.1)  # the server ends the transaction; nobody is there to hear it
        _abort(server)


def _abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(Exception):
        writer.transport.abort()


def socket_of(url: str) -> str | tuple[str, int]:
    """Return where the PostgreSQL of a URL listens: a socket's path, or host and port."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    folder = parsed.query.get("host")
    if folder is not None:
        return str(Path(str(folder)) / f".s.PGSQL.{parsed.port or 5432}")
    return parsed.host or "127.0.0.1", parsed.port or 5432
