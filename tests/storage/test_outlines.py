"""Trials in outline."""

from __future__ import annotations

from dataclasses import replace

from storage import leases, outcomes
from storage.database import Database
from storage.outlines import outlines
from storage.records import TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW


def test_trials_are_listed_by_number_and_those_that_may_be_the_best_are_reported(database: Database) -> None:
    running = scenes.running(database, 4)
    ends = [scenes.outcome(0, 0.5), scenes.outcome(1, None, TrialState.DIVERGED), replace(scenes.outcome(2, 0.75), feasible=False)]
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, ends, NOW)
        found = outlines(session, running.study.id)
        leases.release(session, running.token, charge=False, now=NOW)
    assert [(each.number, each.state, each.value, each.competes) for each in found] == [
        (0, "COMPLETE", 0.5, True),
        (1, "DIVERGED", None, False),
        (2, "COMPLETE", 0.75, False),
        (3, "RUNNING", None, False),
    ]
