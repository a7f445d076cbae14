"""Trials on several seeds in the database."""

from __future__ import annotations

import math
from dataclasses import replace

from sqlalchemy import func, select

from storage import epochs, lifecycle, outcomes, seed_results, studies, study_rows, trial_rows, trials
from storage.database import Database
from storage.estimates import seconds_an_epoch
from storage.models import TRIAL_SEEDS
from storage.records import Reason, SeedResult, StudyState, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW

SEEDS = (7, 11, 13)
RESULTS = {
    7: SeedResult(0.5, {2: {"digit.accuracy": 0.5}}),
    11: SeedResult(math.inf, {2: {"digit.accuracy": 0.75}}),
    13: SeedResult(None, {2: {}}),
}


def running(database: Database) -> scenes.Running:
    """Return a study whose trial 0 trains on three seeds and whose trial 1 on one."""
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        planned = [replace(scenes.planned(0), seeds=SEEDS), scenes.planned(1)]
        trials.add_trials(session, study_rows.lock_study(session, study.id), planned, beside=(), now=NOW)
        return scenes.Running(study, scenes.start(session, study))


def of(database: Database, number: int) -> TrialRecord:
    with database.reading() as session:
        study = study_rows.get_study(session, "study")
        return trial_rows.get_trial(session, study.id, number)


def end(database: Database, token: int) -> None:
    with database.writing() as session:
        ended = [scenes.outcome(0, by_seed=RESULTS), scenes.outcome(1)]
        outcomes.record_outcomes(session, token, ended, NOW)


def test_seeds_are_known_before_their_values(database: Database) -> None:
    running(database)
    assert (of(database, 0).seeds, of(database, 0).by_seed) == (SEEDS, dict.fromkeys(SEEDS))
    assert (of(database, 1).seeds, of(database, 1).by_seed) == ((7,), {})


def test_values_by_seed_are_kept_with_what_they_are_made_of(database: Database) -> None:
    end(database, running(database).token)
    assert of(database, 0).by_seed == {7: 0.5, 11: math.inf, 13: None}
    with database.reading() as session:
        assert seed_results.results_of(session, [of(database, 0).id, of(database, 1).id]) == {of(database, 0).id: RESULTS}


def test_a_failed_trial_that_is_tried_again_keeps_its_seeds_alone(database: Database) -> None:
    started = running(database)
    with database.writing() as session:
        failed = scenes.outcome(0, None, TrialState.FAILED, by_seed=RESULTS)
        outcomes.record_outcomes(session, started.token, [failed], NOW)
        outcomes.reopen_failed(session, study_rows.lock_study(session, started.study.id), NOW)
    assert of(database, 0).by_seed == dict.fromkeys(SEEDS)


def test_the_seeds_of_a_deleted_study_are_gone(database: Database) -> None:
    started = running(database)
    with database.writing() as session:
        studies.end_study(session, started.study.id, StudyState.FAILED, Reason("x", "y"), NOW)
        lifecycle.delete_study(session, "study", NOW)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(TRIAL_SEEDS)) == 0


def test_an_epoch_of_a_trial_on_three_seeds_is_three_of_a_training(database: Database) -> None:
    started = running(database)
    with database.writing() as session:
        reports = {0: (1, {}, {}, 3.0), 1: (1, {}, {}, 1.0)}
        epochs.record_epoch(session, started.token, started.cohort, reports, NOW)
    with database.reading() as session:
        assert seconds_an_epoch(session, "p" * 64, "digits") == 1.0
        pace = scenes.pace_of(session, started)
    assert (pace.epochs, pace.seconds, pace.under_way, pace.ended) == (4, 4.0, 4, 0)


def test_what_was_pruned_on_several_seeds_is_no_pace_since_its_first_seeds_trained_longer(database: Database) -> None:
    started = running(database)
    with database.writing() as session:
        reports = {0: (1, {}, {}, 3.0), 1: (1, {}, {}, 5.0)}
        epochs.record_epoch(session, started.token, started.cohort, reports, NOW)
        pruned = [scenes.outcome(each, None, TrialState.PRUNED) for each in (0, 1)]
        outcomes.record_outcomes(session, started.token, [replace(each, epochs=1) for each in pruned], NOW)
    with database.reading() as session:
        assert seconds_an_epoch(session, "p" * 64, "digits") == 5.0
        pace = scenes.pace_of(session, started)
    assert (pace.epochs, pace.seconds) == (1, 5.0)
