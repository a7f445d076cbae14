"""Every call is retried where that is safe, bounded, and ends in an error of ours."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import numpy as np
import pytest

import steelyard
from steelyard.client import Client
from steelyard.connection import Retries, retry_after
from tests.steelyard.fakes import URL, FakeTime, Script, broken, client_of, ok, problem, study

REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


def httpx_errors() -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(httpx, inspect.isclass) if issubclass(kind, Exception)]
    return [kind for kind in found if kind.__module__ == "httpx"]


def raised(kind: type[Exception]) -> Exception:
    """Make one of httpx's errors, whatever its constructor wants."""
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("no", request=httpx.Request("GET", URL), response=httpx.Response(500))
    wants_no_message = kind in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead)
    return kind() if wants_no_message else kind("no")


@pytest.mark.parametrize("kind", httpx_errors(), ids=lambda kind: kind.__name__)
def test_no_error_of_httpx_is_left_unmapped(kind):
    with pytest.raises(steelyard.SteelyardError):
        client_of(Script([raised(kind)])).get("s")


@pytest.mark.parametrize("kind", httpx_errors(), ids=lambda kind: kind.__name__)
def test_no_error_of_httpx_is_left_unmapped_in_the_middle_of_an_export(kind):
    cut = httpx.Response(200, stream=broken([b"one\n"], raised(kind)))
    with pytest.raises(steelyard.SteelyardError):
        list(client_of(Script([cut])).export("s"))


@pytest.mark.parametrize(
    "fault",
    [
        REFUSED,
        httpx.ReadError("[Errno 104] Connection reset by peer"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.ReadTimeout("timed out"),
        problem(503, "storage-busy"),
        problem(429, "too-many"),
        httpx.Response(502, text="<html>Bad Gateway</html>"),
    ],
    ids=lambda fault: type(fault).__name__ if isinstance(fault, Exception) else str(fault.status_code),
)
def test_a_passing_fault_is_not_seen(fault):
    script = Script([fault, ok(study())])
    assert client_of(script).get("s")["name"] == "s"
    assert len(script.requests) == 2


@pytest.mark.parametrize("call", ["pause", "resume", "stop", "cancel", "retry", "delete", "get"])
def test_every_call_may_be_sent_twice(call):
    script = Script([httpx.ReadError("reset"), ok(study())])
    getattr(client_of(script), call)("s")
    first, second = script.requests
    assert (first.method, first.url) == (second.method, second.url)


def test_a_submission_is_sent_again_with_the_same_name():
    script = Script([httpx.ReadError("reset"), ok(study())])
    client_of(script).submit({"workload": {"name": "digits"}})
    first, second = script.requests
    assert first.content == second.content
    assert b'"name": "digits-' in first.content


def test_pauses_double_up_to_a_bound_with_jitter():
    time = FakeTime()
    retries = Retries(attempts=7, first_seconds=1.0, longest_seconds=8.0)
    with pytest.raises(steelyard.ServiceUnreachable):
        client_of(Script([problem(503, "storage-busy")]), time, retries).get("s")
    assert len(time.slept) == 6
    for slept, full in zip(time.slept, [1, 2, 4, 8, 8, 8], strict=True):
        assert full / 2 <= slept <= full


def test_retry_after_is_waited_for():
    time = FakeTime()
    client_of(Script([problem(503, "storage-busy", headers={"retry-after": "17"}), ok(study())]), time).get("s")
    assert time.slept == [17.0]


def test_a_retry_after_that_is_too_long_ends_the_call_and_is_reported():
    time = FakeTime()
    with pytest.raises(steelyard.ServiceUnreachable) as caught:
        client_of(Script([problem(503, "storage-busy", "busy", headers={"retry-after": "3600"})]), time).get("s")
    assert caught.value.retry_after_seconds == 3600
    assert time.slept == []


def test_a_retry_after_may_be_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after(httpx.Response(503, headers={"retry-after": later})) == pytest.approx(100, abs=5)


@pytest.mark.parametrize("value", ["", "soon", "-5", "²"])
def test_a_retry_after_that_cannot_be_read_is_none(value):
    assert retry_after(httpx.Response(503, headers={"retry-after": value.encode()})) is None


def test_a_service_that_never_answered_is_given_up_soon():
    script = Script([REFUSED])
    with pytest.raises(
        steelyard.ServiceUnreachable, match=r"no Steelyard service answers at http://service\.test: connection refused"
    ):
        client_of(script).get("s")
    assert len(script.requests) == Retries().attempts_at_first


def test_a_service_that_answered_before_is_waited_for():
    script = Script([ok(study()), REFUSED])
    client = client_of(script)
    client.get("s")
    with pytest.raises(steelyard.ServiceUnreachable):
        client.get("s")
    assert len(script.requests) == 1 + Retries().attempts


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_what_another_attempt_would_not_mend_is_not_tried_again(status):
    script = Script([problem(status, "some")])
    with pytest.raises(steelyard.ProblemError):
        client_of(script).get("s")
    assert len(script.requests) == 1


def test_a_delete_whose_answer_was_lost_is_done():
    client_of(Script([httpx.ReadError("reset"), problem(404, "study-not-found")])).delete("s")


def test_a_delete_of_nothing_is_an_error():
    with pytest.raises(steelyard.NotFound):
        client_of(Script([problem(404, "study-not-found")])).delete("s")


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>hello</html>"), httpx.Response(404, text="nginx"), ok([1])])
def test_something_else_at_the_address_is_named_so(answer):
    with pytest.raises(steelyard.UnexpectedAnswer):
        list(client_of(Script([answer])).studies())


@pytest.mark.parametrize("url", ["", "service.test", "ftp://service.test", "http://", "http://[::1", "http://host:port"])
def test_an_address_that_is_none_is_refused(url, monkeypatch):
    monkeypatch.setenv("STEELYARD_URL", url or "http://")
    with pytest.raises(steelyard.InvalidAddress):
        Client(url or None)


def test_the_address_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("STEELYARD_URL", "http://elsewhere.test:1/")
    assert Client().base_url == "http://elsewhere.test:1"


def test_the_address_is_this_machine_by_default(monkeypatch):
    monkeypatch.delenv("STEELYARD_URL", raising=False)
    assert Client().base_url == "http://127.0.0.1:8765"


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    with Client("http://127.0.0.1:1", retries=Retries(attempts_at_first=1)) as client, pytest.raises(steelyard.ServiceUnreachable):
        client.get("s")  # refused by this machine, not a failure to find proxy.test


def test_numbers_of_numpy_are_sent_as_numbers():
    script = Script([ok(study())])
    client_of(script).submit({"name": "s", "weight": np.float32(0.5), "values": np.array([1, 2])})
    assert script.requests[0].content == b'{"name": "s", "weight": 0.5, "values": [1, 2]}'


def test_a_held_answer_gets_its_time_on_top():
    script = Script([ok(study(ended=True, state="COMPLETE"))])
    client_of(script).wait("s", progress=False)
    assert script.requests[0].extensions["timeout"]["read"] == 30.0
    script = Script([ok(study()), ok(study(ended=True, state="COMPLETE"))])
    client_of(script).wait("s", progress=False)
    assert script.requests[1].extensions["timeout"]["read"] == 90.0
