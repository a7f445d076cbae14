"""Watching and waiting, with time in our hands."""

from __future__ import annotations

import httpx
import pytest

import steelyard
from tests.steelyard.fakes import FakeTime, Script, client_of, ok, problem, study

END = study(state="COMPLETE", ended=True)


def test_watch_gives_each_change_once_and_stops_at_the_end():
    first, second = study(), study(counts={"COMPLETE": 1})
    script = Script([ok(first), ok(first), ok(second), ok(second), ok(END)])
    assert list(client_of(script).watch("s")) == [first, second, END]


def test_watch_looks_at_once_and_then_lets_the_service_hold_the_answer():
    script = Script([ok(study()), ok(END)])
    list(client_of(script).watch("s", every_seconds=5))
    assert [dict(request.url.params) for request in script.requests] == [{}, {"wait": "5"}]


def test_watch_keeps_to_the_longest_hold_that_the_service_allows():
    time = FakeTime()
    refused = problem(422, "bad-parameter", limit=2)
    script = Script([ok(study()), refused, ok(study()), ok(END)])
    list(client_of(script, time).watch("s", every_seconds=5))
    assert [request.url.params.get("wait") for request in script.requests] == [None, "5", "2", "2"]
    assert time.slept == [2]


def test_a_service_that_holds_nothing_back_is_asked_once_a_second():
    time = FakeTime()
    script = Script([ok(study()), problem(422, "bad-parameter", limit=0.01), ok(study()), ok(study()), ok(END)])
    list(client_of(script, time).watch("s", every_seconds=5))
    assert [request.url.params.get("wait") for request in script.requests] == [None, "5", None, None, None]
    assert time.slept == [1, 1]


def test_watch_does_not_hammer_a_service_that_answers_at_once():
    time = FakeTime()
    script = Script([ok(study()), ok(study()), ok(study()), ok(END)])
    list(client_of(script, time).watch("s", every_seconds=2))
    assert time.slept == [2, 2]


def test_a_watch_of_less_than_a_second_asks_for_no_hold_and_still_rests():
    time = FakeTime()
    script = Script([ok(study()), ok(study()), ok(END)])
    list(client_of(script, time).watch("s", every_seconds=0.5))
    assert [dict(request.url.params) for request in script.requests] == [{}, {}, {}]
    assert time.slept == [0.5]


def test_watch_goes_on_over_a_restart_of_the_service():
    refused = httpx.ConnectError("Connection refused")
    script = Script([ok(study()), refused, refused, problem(503, "storage-busy"), ok(END)])
    assert list(client_of(script).watch("s"))[-1] == END


def test_wait_gives_the_study_whatever_its_end():
    failed = study(state="FAILED", ended=True)
    assert client_of(Script([ok(study()), ok(failed)])).wait("s", progress=False) == failed


def test_wait_that_lasts_too_long_says_where_the_study_is():
    time = FakeTime()
    with pytest.raises(steelyard.WaitTimeout, match="study 's' is still RUNNING after 90 s; it goes on"):
        client_of(Script([ok(study())]), time).wait("s", timeout=90, progress=False)
    assert time.at == 1090


def test_wait_takes_a_snapshot_for_a_name():
    script = Script([ok(END)])
    client_of(script).wait(study(name="other"), progress=False)
    assert script.requests[0].url.path == "/v1/studies/other"


def test_wait_shows_nothing_where_nobody_looks_on(capsys):
    client_of(Script([ok(END)])).wait("s")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_no_path_segment_is_not_sent(name):
    script = Script([ok(END)])
    with pytest.raises(steelyard.NotFound):
        client_of(script).get(name)
    assert script.requests == []


def test_a_name_is_quoted():
    script = Script([ok(END)])
    client_of(script).get("a/b?c")
    assert script.requests[0].url.raw_path == b"/v1/studies/a%2Fb%3Fc"
