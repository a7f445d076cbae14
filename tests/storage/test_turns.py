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


def next_without(database: Database, of: str, lease: int) -> tuple[str, int, bool] | None:
    """Return which study is served once the lease has ended, how many trials it has, and whether some wait."""
    with database.reading() as session:
        found = studies.next_in_turn(session, ["digits"], study_rows.get_study(session, of).id, without=lease)
        return found and (study_rows.get_study_by_id(session, found.study).name, found.trials, found.waiting)


def in_training(database: Database, name: str, count: int) -> int:
    """Put so many new trials of a study into training; gives their lease's token."""
    with database.writing() as session:
        study = study_rows.get_study(session, name)
        scenes.add(session, study, count)
        return scenes.start(session, study).token


def test_who_is_next_once_a_lease_ends_can_be_read_before(database: Database) -> None:
    prepared(database, a=0, b=0)
    lease = in_training(database, "a", 3)
    with database.writing() as session:
        now = studies.lock_next_study(session, ["digits"])
    assert now is not None
    assert now.name == "b"  # nothing of it runs
    assert next_without(database, "a", lease) == ("a", 3, False)
    in_training(database, "a", 2)
    assert next_without(database, "a", lease) == ("b", 0, False)


def test_a_study_before_it_is_next_only_where_nothing_of_it_runs(database: Database) -> None:
    prepared(database, a=0, urgent=5)
    lease = in_training(database, "a", 1)
    assert next_without(database, "a", lease) == ("urgent", 0, False)
    in_training(database, "urgent", 1)
    assert next_without(database, "a", lease) == ("a", 1, False)


def test_trials_that_wait_are_seen_and_a_paused_study_is_not_next(database: Database) -> None:
    prepared(database, a=0)
    lease = in_training(database, "a", 1)
    with database.writing() as session:
        scenes.add(session, study_rows.get_study(session, "a"), 1)
    assert next_without(database, "a", lease) == ("a", 2, True)
    with database.writing() as session:
        lifecycle.pause(session, "a", NOW)
    assert next_without(database, "a", lease) is None


def test_a_preflight_does_not_keep_its_own_study_from_being_next(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session, "a")
        lease = leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, 60, NOW)
    assert next_without(database, "a", lease.token) == ("a", 0, False)
    assert next_without(database, "a", lease.token + 1) is None
