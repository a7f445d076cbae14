"""Which study is served next: by priority, and by turns among equals. On both databases."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from storage import leases, lifecycle, studies, study_rows
from storage.database import Database
from storage.errors import StudyNotFound
from storage.turns import TURN
from tests.storage import scenes
from tests.storage.scenes import NOW


def served(database: Database, seconds: float, rounds: int, cohort: float = 10.0) -> list[str]:
    """Let one worker claim `rounds` times, beginning so many seconds after NOW; gives the studies it was given."""
    names, now = [], NOW + timedelta(seconds=seconds)
    for _ in range(rounds):
        with database.writing() as session:
            study = studies.lock_next_study(session, ["digits"])
            assert study is not None
            names.append(study.name)
            lease = leases.acquire(session, study.id, scenes.register(session), leases.COHORT, 3600, now)
            now += timedelta(seconds=cohort)
            leases.complete(session, lease.token, now)
    return names


def prepared(database: Database, **priorities: int) -> None:
    with database.writing() as session:
        for name, priority in priorities.items():
            scenes.prepare(session, scenes.create(session, name, priority=priority))


def test_the_highest_priority_is_served_first(database: Database) -> None:
    prepared(database, old=0, urgent=5, idle=-5)
    assert served(database, 0, 20) == ["urgent"] * 20


def test_a_study_without_work_leaves_its_place_to_the_next_priority(database: Database) -> None:
    prepared(database, old=0, urgent=5)
    with database.writing() as session:
        urgent = study_rows.get_study(session, "urgent")
        found = studies.lock_next_study(session, ["digits"], skip=[urgent.id])
    assert found is not None
    assert found.name == "old"


def test_equal_studies_take_turns(database: Database) -> None:
    prepared(database, a=0, b=0, c=0)
    names = served(database, 0, 24)
    turns = [name for name, before in zip(names, [None, *names], strict=False) if name != before]
    assert turns[:4] == ["a", "b", "c", "a"]


def test_a_worker_stays_with_a_study_for_a_whole_turn(database: Database) -> None:
    prepared(database, a=0, b=0)
    assert served(database, 0, 12, cohort=TURN.total_seconds() / 5) == ["a"] * 6 + ["b"] * 6


def test_a_cohort_longer_than_a_turn_is_followed_by_another_study(database: Database) -> None:
    prepared(database, a=0, b=0)
    assert served(database, 0, 6, cohort=TURN.total_seconds() * 3) == ["a", "a", "b", "b", "a", "a"]


def test_of_300_studies_none_is_left_out(database: Database) -> None:
    prepared(database, **{f"s{number}": 0 for number in range(300)})
    counted = Counter(served(database, 0, 600, cohort=TURN.total_seconds() + 1))
    assert set(counted.values()) == {2}
    assert len(counted) == 300


def test_newcomers_starve_nobody(database: Database) -> None:
    prepared(database, old=0)
    names, cohort = [], TURN.total_seconds() + 1
    for number in range(8):
        names += served(database, number * cohort, 1, cohort)
        with database.writing() as session:
            submitted_at = NOW + timedelta(seconds=number * cohort + 30)
            scenes.prepare(session, studies.create_study(session, scenes.new_study(f"new{number}"), submitted_at))
    assert names == ["old"] * 2 + ["new0"] * 2 + ["old"] * 2 + ["new1"] * 2


def test_two_workers_are_spread_over_equal_studies(database: Database) -> None:
    prepared(database, a=0, b=0)
    with database.writing() as session:
        first = studies.lock_next_study(session, ["digits"])
        assert first is not None
        leases.acquire(session, first.id, scenes.register(session), leases.COHORT, 60, NOW)
        second = studies.lock_next_study(session, ["digits"])
    assert second is not None
    assert (first.name, second.name) == ("a", "b")


def test_a_priority_that_is_changed_is_an_event_and_changes_the_next_claim(database: Database) -> None:
    prepared(database, a=0, b=0)
    with database.writing() as session:
        changed = lifecycle.change_priority(session, "b", 1, NOW)
    assert changed.priority == 1
    assert served(database, 0, 1) == ["b"]


def test_the_same_priority_again_changes_nothing(database: Database) -> None:
    prepared(database, a=3)
    with database.writing() as session:
        before = study_rows.get_study(session, "a")
        assert lifecycle.change_priority(session, "a", 3, scenes.later(9)) == before


def test_a_study_that_is_not_there_has_no_priority(database: Database) -> None:
    with database.writing() as session, pytest.raises(StudyNotFound):
        lifecycle.change_priority(session, "none", 1, NOW)
