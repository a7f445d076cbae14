"""What happens to a study is written down with it, in order, and read from where one left off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import events, leases, lifecycle, outcomes, studies
from storage.database import Database
from storage.records import Reason, StudyState
from tests.storage import scenes
from tests.storage.scenes import NOW, later


def logged(database: Database, study_id: int, after: int = 0) -> list[tuple[str, object]]:
    with database.reading() as session:
        return [(each.kind, each.body) for each in events.events_after(session, study_id, after, 100)]


def test_a_study_logs_its_story(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], NOW)
        leases.complete(session, running.token, NOW)
        studies.end_study(session, running.study.id, StudyState.COMPLETE, None, NOW)
    assert logged(database, running.study.id) == [
        ("study.created", {"name": "study"}),
        ("study.state", {"state": "RUNNING", "reason": None}),
        ("trial.state", {"number": 0, "state": "RUNNING", "attempt": 1}),
        ("trial.state", {"number": 0, "state": "COMPLETE", "reason": None}),
        ("study.state", {"state": "COMPLETE", "reason": None}),
    ]


def test_a_lost_trial_says_why_it_waits_again(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        leases.release(session, running.token, charge=True, now=NOW, reason=Reason("out_of_memory", "killed"))
    reason = {"code": "out_of_memory", "message": "killed", "at": None}
    assert logged(database, running.study.id)[-1] == ("trial.state", {"number": 0, "state": "WAITING", "reason": reason})


def test_what_changes_nothing_says_nothing(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        for _ in range(2):
            lifecycle.pause(session, "study", NOW)
    assert len(logged(database, study.id)) == 2


def test_events_are_read_from_where_one_left_off(database: Database) -> None:
    with database.writing() as session:
        study, other = scenes.create(session), scenes.create(session, "other")
        for number in range(3):
            events.add_event(session, study.id, "note", {"number": number}, later(number))
            events.add_event(session, other.id, "note", {}, NOW)
        created, first, *_ = events.events_after(session, study.id, 0, 2)
        rest = events.events_after(session, study.id, first.id, 100)
    assert (created.kind, first.body, first.created_at) == ("study.created", {"number": 0}, NOW)
    assert [each.body for each in rest] == [{"number": 1}, {"number": 2}]


def test_an_event_that_was_not_committed_is_not_logged(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)

    def fail() -> None:
        with database.writing() as session:
            events.add_event(session, study.id, "note", {}, NOW)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert logged(database, study.id) == [("study.created", {"name": "study"})]


def test_a_reader_that_goes_on_from_its_last_event_misses_none(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)

    def write(writer: int) -> None:
        for number in range(20):
            with database.writing() as session:
                events.add_event(session, study.id, "note", {"writer": writer, "number": number}, NOW)

    seen = 0
    last = 0
    with ThreadPoolExecutor(4) as threads:
        writing = [threads.submit(write, writer) for writer in range(4)]
        while True:
            over = all(each.done() for each in writing)
            with database.reading() as session:
                found = events.events_after(session, study.id, last, 1000)
            seen += len(found)
            last = found[-1].id if found else last
            if over and not found:
                break
    assert seen == 1 + 4 * 20


def test_the_latest_events_come_oldest_first(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.reading() as session:
        found = events.last_events(session, running.study.id, 2)
    assert [each.body["number"] for each in found] == [0, 1]


def test_events_of_all_studies_are_read_in_one_order_with_their_names(database: Database) -> None:
    scenes.running(database, 1, "one")
    with database.reading() as session:
        at = events.latest_event_id(session)
    scenes.running(database, 1, "other")
    with database.reading() as session:
        found = events.events_of_all(session, at, 100)
        assert events.events_of_all(session, found[-1][1].id, 100) == []
    assert [(name, each.kind) for name, each in found] == [
        ("other", "study.created"),
        ("other", "study.state"),
        ("other", "trial.state"),
    ]
