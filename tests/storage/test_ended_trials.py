"""Trials that were read before: what is given is what is stored now, and only what is new is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event

from search.objective.order import BEST_FIRST
from storage import outcomes, study_rows, trial_rows
from storage.database import Database
from storage.ended_trials import EndedTrials
from storage.records import Outcome, StudyRecord, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW


def ended(database: Database, ends: Sequence[Outcome], kept: EndedTrials) -> StudyRecord:
    """Let trials of a study end so, some others run on, and read them once."""
    running = scenes.running(database, len(ends) + 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, ends, NOW)
        study = study_rows.get_study_by_id(session, running.study.id)
    history(database, study, kept)
    return study


def history(database: Database, study: StudyRecord, kept: EndedTrials | None) -> list[TrialRecord]:
    with database.reading() as session:
        return trial_rows.search_history(session, study.id, BEST_FIRST, kept=kept)


def test_what_was_read_before_is_not_read_again(database: Database) -> None:
    kept = EndedTrials()
    study = ended(database, [scenes.outcome(number, number / 10) for number in range(6)], kept)
    asked: list[Any] = []
    with database.reading() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: asked.append(args[2:4]))
        found = trial_rows.search_history(session, study.id, BEST_FIRST, kept=kept)
    weights = [parameters for statement, parameters in asked if "trial_weights" in statement]
    assert found == history(database, study, None)
    assert len(found) == 8
    assert len(weights) == 1
    given = weights[0].values() if isinstance(weights[0], dict) else weights[0]
    unfinished = {trial.id for trial in found if not trial.ended}
    assert {value for value in given if isinstance(value, int)} == unfinished


def test_a_trial_that_failed_and_is_tried_again_is_read_anew(database: Database) -> None:
    kept = EndedTrials()
    study = ended(database, [scenes.outcome(0, None, TrialState.FAILED), scenes.outcome(1, 0.2)], kept)
    with database.writing() as session:
        outcomes.reopen_failed(session, study_rows.lock_study(session, study.id), NOW)
        lease = scenes.start(session, study, [0])
        assert history(database, study, None) != []  # another reader, before this is committed
        outcomes.record_outcomes(session, lease.token, [scenes.outcome(0, 0.7)], NOW)
    found = history(database, study, kept)
    assert (found[0].state, found[0].value, found[0].sequence) == (TrialState.COMPLETE, 0.7, 3)
    assert found == history(database, study, None)


def test_a_trial_that_is_scored_after_its_end_is_read_anew(database: Database) -> None:
    kept = EndedTrials()
    unscored = scenes.outcome(0, None, values={}, feasible=None)
    study = ended(database, [unscored], kept)
    with database.writing() as session:
        trial = trial_rows.get_trial(session, study.id, 0)
        scored = scenes.outcome(0, 0.4, feasible=False, violations={"digit.accuracy": 0.1})
        outcomes.rescore(session, study_rows.lock_study(session, study.id), {trial.id: scored}, NOW)
    found = history(database, study, kept)
    assert (found[0].value, found[0].feasible, found[0].violations) == (0.4, False, {"digit.accuracy": 0.1})
    assert found == history(database, study, None)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_what_has_no_room_is_read_again(database: Database, most: int) -> None:
    kept = EndedTrials(most)
    study = ended(database, [scenes.outcome(number, number / 10) for number in range(4)], kept)
    assert history(database, study, kept) == history(database, study, None)


def test_a_thread_that_was_left_to_itself_cannot_change_what_another_looks_for() -> None:
    kept, others = EndedTrials(), []

    def versions() -> Iterator[Any]:
        other = Thread(target=kept.keep, args=((), ()), daemon=True)
        other.start()
        other.join(0.05)
        others.append(other)
        assert other.is_alive()  # it waits until all is found
        yield from ()

    assert kept.find(versions()) == {}
    others[0].join(60)
    assert not others[0].is_alive()
