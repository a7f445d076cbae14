"""One service over HTTP: every call with its time-outs, its retries and its errors named in our words.

Every call of the contract may be sent twice (the client names a study before it POSTs it), so all are retried alike.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from steelyard.errors import InvalidAddress, ServiceUnreachable, SteelyardError, UnexpectedAnswer, problem

TRY_AGAIN = frozenset({429, 502, 503, 504})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 45.0
"""A stream of events that sends nothing for so long is lost: the service sends a comment every 15 seconds."""

EVENT_STREAM = "text/event-stream"
HTTPX_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict)


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    A call is sent at most `attempts` times (about half a minute in all), but only `attempts_at_first` times to a service that has
    never answered: one that was not started should be reported at once. Pauses double from `first_seconds` to `longest_seconds`,
    each drawn from its upper half, so that many clients do not come back together. A Retry-After is kept where it is at most
    `longest_wait_seconds`; where it is more, the call ends.
    """

    attempts: int = 8
    attempts_at_first: int = 3
    first_seconds: float = 0.25
    longest_seconds: float = 8.0
    longest_wait_seconds: float = 60.0

    def pause(self, failures: int, retry_after: float | None, draw: float) -> float | None:
        """Return how many seconds to wait after the nth failure (from 1), None to give up. `draw` is uniform in [0, 1)."""
        if retry_after is not None and retry_after > self.longest_wait_seconds:
            return None
        full = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return max(full * (0.5 + draw / 2), retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a client knows of time; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Missed(Exception):
    """An attempt that failed with `error` in a way that another may not."""

    def __init__(self, error: SteelyardError, retry_after: float | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


class Connection:
    """Calls one base URL. Raises errors of `steelyard.errors` only."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        retries: Retries,
        clock: Clock,
        transport: httpx.BaseTransport | None,
        agent: str,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._clock = clock
        self._reached = False
        try:
            parts = urlsplit(self.base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidAddress(base_url, "it should look like http://127.0.0.1:8765")
            self._http = httpx.Client(
                base_url=self.base_url,
                transport=transport,
                # A proxy for the outer world knows nothing of this machine's own services.
                trust_env=parts.hostname not in LOOPBACK,
                verify=parts.scheme == "https",  # reading all certificates takes longer than a call
                headers={"accept": "application/json, application/problem+json", "user-agent": agent},
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidAddress(base_url, str(error)) from error

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        hold_seconds: float = 0.0,
        gone_is_done: bool = False,
    ) -> Any:
        """Return the JSON of the answer (None for 204).

        `hold_seconds` is how long the service was asked to hold its answer back. With `gone_is_done`, a 404 to a repeated call
        counts as success: the answer to the first one was lost.
        """
        request = self._request(method, path, query, body, hold_seconds)
        failures = 0
        while True:
            try:
                response = self._attempt(request)
            except _Missed as missed:
                failures += 1
                pause = self._pause(failures, missed.retry_after)
                if pause is None:
                    raise missed.error from missed.__cause__
                self._clock.sleep(pause)
            else:
                done = gone_is_done and failures > 0 and response.status_code == 404
                return None if done else self._read(response)

    @contextmanager
    def stream(self, path: str, query: Mapping[str, Any]) -> Iterator[Iterator[bytes]]:
        """Open an answer of any length. It is not retried: half of it may have been used already."""
        with self._opened(self._request("GET", path, query, None, 0.0)) as response:
            yield response.iter_bytes()

    @contextmanager
    def events(self, path: str, query: Mapping[str, Any], last_id: str | None) -> Iterator[httpx.Response]:
        """Open a stream of Server-Sent Events, after the event `last_id` where one is given. It is not retried.

        Raises UnexpectedAnswer where the answer is no such stream, ServiceUnreachable where it breaks or falls silent.
        """
        request = self._request("GET", path, query, None, SILENT_SECONDS - self._timeout_seconds)
        request.headers["accept"] = f"{EVENT_STREAM}, application/problem+json"
        if last_id is not None:
            request.headers["last-event-id"] = last_id
        with self._opened(request) as response:
            if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                raise UnexpectedAnswer(self.base_url, "it is no stream of events")
            yield response

    @contextmanager
    def _opened(self, request: httpx.Request) -> Iterator[httpx.Response]:
        try:
            response = self._http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    response.read()
                    raise self._refusal(response)
                yield response
            finally:
                response.close()
        except HTTPX_ERRORS as error:
            raise self._lost(error)[0] from error

    def _request(self, method: str, path: str, query: Mapping[str, Any] | None, body: Any, hold_seconds: float) -> httpx.Request:
        timeout = httpx.Timeout(self._timeout_seconds + hold_seconds, connect=CONNECT_SECONDS)
        params = {key: value for key, value in (query or {}).items() if value is not None}
        content = None if body is None else json.dumps(body, default=_plain).encode()
        headers = {} if content is None else {"content-type": "application/json"}
        return self._http.build_request(method, path, params=params, content=content, headers=headers, timeout=timeout)

    def _attempt(self, request: httpx.Request) -> httpx.Response:
        """Send once. Raises _Missed where the same call may do better."""
        try:
            response = self._http.send(request)
        except HTTPX_ERRORS as error:
            failure, again = self._lost(error)
            raise (_Missed(failure) if again else failure) from error
        self._reached = True
        if response.status_code in TRY_AGAIN:
            raise _Missed(self._refusal(response), retry_after(response))
        return response

    def _pause(self, failures: int, wanted: float | None) -> float | None:
        """Return the seconds until the next attempt, None where the last one was it."""
        attempts = self._retries.attempts if self._reached else self._retries.attempts_at_first
        return None if failures >= attempts else self._retries.pause(failures, wanted, random.random())

    def _lost(self, error: Exception) -> tuple[SteelyardError, bool]:
        """Name an error of httpx, and say whether the same call may do better."""
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return InvalidAddress(self.base_url, str(error)), False
        if isinstance(error, httpx.ConnectError):
            return ServiceUnreachable(self.base_url, _connecting(error)), True
        if isinstance(error, httpx.TimeoutException):
            what = "it took too long to connect" if isinstance(error, httpx.ConnectTimeout) else "the answer took too long"
            return ServiceUnreachable(self.base_url, what), True
        if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ProxyError):
            return ServiceUnreachable(self.base_url, f"the connection was lost ({error})"), True
        return UnexpectedAnswer(self.base_url, str(error) or type(error).__name__), False

    def _read(self, response: httpx.Response) -> Any:
        if not response.is_success:
            raise self._refusal(response)
        if response.status_code == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswer(self.base_url, "it is not JSON; is this the address of a Steelyard service?") from error

    def _refusal(self, response: httpx.Response) -> SteelyardError:
        """Return the error for an answer that is no success."""
        try:
            document = response.json()
        except ValueError:
            document = None
        wanted = retry_after(response)
        if response.status_code in TRY_AGAIN - {429}:
            detail = document.get("detail") if isinstance(document, dict) else None
            return ServiceUnreachable(self.base_url, str(detail or f"HTTP {response.status_code}"), wanted)
        if not isinstance(document, dict):
            return UnexpectedAnswer(self.base_url, f"HTTP {response.status_code} without a problem document")
        return problem(response.status_code, {"retry_after_seconds": wanted, **document})


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header, given in seconds or as a date; None where there is none to be read."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _connecting(error: httpx.ConnectError) -> str:
    text = str(error)
    return "connection refused" if "refused" in text.lower() else text or "it cannot be connected to"


def _plain(value: Any) -> Any:
    """Return what JSON knows for a number of numpy or a tensor."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a definition holds JSON values only, got {type(value).__name__}")
