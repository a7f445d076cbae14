"""What earlier studies say about one that is not there yet."""

from __future__ import annotations

import pytest

from storage import epochs
from storage.database import Database
from storage.estimates import seconds_an_epoch
from tests.storage.scenes import NOW, running


def test_the_pace_is_that_of_all_studies_of_the_problem(database: Database) -> None:
    for name, seconds in (("a", 1.0), ("b", 3.0)):
        scene = running(database, 2, name)
        with database.writing() as session:
            for epoch in (0, 1, 2):
                reports = {number: (epoch, {}, {}, seconds) for number in (0, 1)}
                epochs.record_epoch(session, scene.token, scene.cohort, reports, NOW)
    with database.reading() as session:
        # Four trials of 2 epochs; each was timed three times, before training too.
        assert seconds_an_epoch(session, "p" * 64, "digits") == pytest.approx((2 * 3 * 1.0 + 2 * 3 * 3.0) / (4 * 2))


def test_another_problem_of_the_workload_answers_where_there_is_none_of_the_problem(database: Database) -> None:
    scene = running(database, 1)
    with database.writing() as session:
        epochs.record_epoch(session, scene.token, scene.cohort, {0: (1, {}, {}, 1.0)}, NOW)
    with database.reading() as session:
        assert seconds_an_epoch(session, "q" * 64, "digits") == pytest.approx(1.0)


def test_another_workload_says_nothing(database: Database) -> None:
    scene = running(database, 1)
    with database.writing() as session:
        epochs.record_epoch(session, scene.token, scene.cohort, {0: (1, {}, {}, 1.0)}, NOW)
    with database.reading() as session:
        assert seconds_an_epoch(session, "q" * 64, "ads") is None


def test_trials_that_have_not_begun_count_for_nothing(database: Database) -> None:
    running(database, 1)
    with database.reading() as session:
        assert seconds_an_epoch(session, "p" * 64, "digits") is None
