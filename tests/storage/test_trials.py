"""Trials are planned, started, ended once, and read back as they were written."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from sqlalchemy import event, select

from search.objective.order import BEST_FIRST
from storage import curves, epochs, events, leases, outcomes, study_rows, trial_rows, trials
from storage.database import Database
from storage.errors import LeaseLost, TermNotFound, TrialsTaken
from storage.models import COHORTS
from storage.records import Measured, Moment, PlannedTrial, Reason, Role, TrialState
from storage.types import UNDEFINED, Undefined
from tests.storage import scenes
from tests.storage.scenes import NOW, later

SPECIAL = [math.nan, math.inf, -math.inf]


def test_planned_trials_wait_under_the_next_numbers(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        first = trials.add_trials(session, study, [scenes.planned(0), scenes.planned(1)], beside=(), now=NOW)
        second = trials.add_trials(session, study, [scenes.planned(2)], beside=[1, 0], now=later(1))
    assert [trial.number for trial in (*first, *second)] == [0, 1, 2]
    assert {trial.state for trial in (*first, *second)} == {TrialState.WAITING}
    assert second[0].planned_beside == (1, 0)
    assert second[0].created_at == later(1)


def test_ids_grow_with_numbers(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        added = trials.add_trials(session, study, [scenes.planned(place) for place in range(300)], beside=(), now=NOW)
    assert [trial.weights["parity.crossentropy"] for trial in added] == [0.5 + place for place in range(300)]
    assert [trial.id for trial in added] == sorted(trial.id for trial in added)


def test_a_planned_trial_keeps_everything_that_the_plan_said(database: Database) -> None:
    said = PlannedTrial(
        role=Role.CONFIRMATION,
        rule="equal",
        parameters={"z": 1e-300, "a": 2.0},
        weights={"agreement": 1 / 3, "digit.crossentropy": 0.0},
        seed=2**40,
        seeds=(2**40, 5),
        origin="finalist",
        confirms=7,
        sampler_state={"nsga:generation": 3, "cma": [math.inf]},
        planned_after=5,
        planned_beside=(2, 3),
    )
    with database.writing() as session:
        [added] = trials.add_trials(session, scenes.create(session), [said], beside=(), now=NOW)
        stored = trial_rows.get_trial(session, added.study_id, 0)
    assert stored == added
    assert PlannedTrial(**{name: getattr(stored, name) for name in PlannedTrial.__slots__}) == said
    assert list(stored.parameters) == ["z", "a"]
    assert list(stored.weights) == ["digit.crossentropy", "agreement"]  # the definition's order


def test_a_weight_of_no_term_is_refused(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        unknown = replace(scenes.planned(), weights={"nobody": 1.0})
        with pytest.raises(TermNotFound, match="'nobody'"):
            trials.add_trials(session, study, [unknown], beside=(), now=NOW)


def test_a_trial_remembers_how_many_outcomes_it_was_planned_after(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0), scenes.outcome(1)], NOW)
        scenes.add(session, running.study, 1)
    assert scenes.trial_of(database, running, 2).planned_after == 2


def test_a_started_trial_runs_with_one_attempt_more(database: Database) -> None:
    running = scenes.running(database, 2)
    trial = scenes.trial_of(database, running, 1)
    assert (trial.state, trial.attempt, trial.started_at) == (TrialState.RUNNING, 1, NOW)
    assert (trial.worker, trial.cohort, trial.engine) == ("w1", running.cohort, "stacked")


def test_a_trial_cannot_be_started_twice(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 2)
        waiting = trial_rows.waiting_trials(session, study.id)
        scenes.start(session, study, [1])
        lease = leases.acquire(session, study.id, scenes.register(session), leases.COHORT, 60, NOW)
        with pytest.raises(TrialsTaken) as taken:
            trials.start_cohort(session, study, waiting, lease, engine="stacked", worker="w1", now=NOW)
    assert taken.value.numbers == (1,)


def test_a_cohort_is_not_started_under_a_lost_lease(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 1)
        waiting = trial_rows.waiting_trials(session, study.id)
        lease = leases.acquire(session, study.id, scenes.register(session), leases.COHORT, 60, NOW)
        leases.release(session, lease.token, charge=False, now=NOW)
        with pytest.raises(LeaseLost):
            trials.start_cohort(session, study, waiting, lease, engine="stacked", worker="w1", now=NOW)


def test_an_outcome_comes_back_with_all_its_numbers(database: Database) -> None:
    running = scenes.running(database, 1)
    measured = {
        Moment.INITIAL: Measured(validation={"agreement": 4.0}),
        Moment.LAST: Measured({"agreement": 2.0}, {"agreement": 3.0, "digit.accuracy": 0.5}, {"digit.accuracy": 0.25}),
        Moment.BEST: Measured(validation={"digit.accuracy": 0.75}),
    }
    sent = scenes.outcome(
        0,
        0.5,
        epochs=10,
        best_epoch=4,
        values={"parity.accuracy": 1.0, "digit.accuracy": 0.5},
        feasible=False,
        violations={"digit.accuracy": 0.125},
        measured=measured,
        reason=Reason("note", "it was so", "somewhere"),
    )
    with database.writing() as session:
        assert outcomes.record_outcomes(session, running.token, [sent], later(9)) == (0,)
    trial = scenes.trial_of(database, running)
    with database.reading() as session:
        assert curves.measured(session, trial.id) == measured
    assert (trial.state, trial.epochs, trial.best_epoch, trial.sequence) == (TrialState.COMPLETE, 10, 4, 1)
    assert (trial.value, trial.values, trial.feasible, trial.violations) == (0.5, sent.values, False, sent.violations)
    assert (trial.reason, trial.ended_at, trial.ended) == (sent.reason, later(9), True)


@pytest.mark.parametrize("number", SPECIAL)
def test_a_number_that_is_not_finite_comes_back(database: Database, number: float) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        report = {0: (0, {"agreement": number}, {"digit.accuracy": number}, 1.0)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        diverged = scenes.outcome(0, number, TrialState.DIVERGED, violations={"agreement": number})
        outcomes.record_outcomes(session, running.token, [diverged], NOW)
    trial = scenes.trial_of(database, running)
    with database.reading() as session:
        [epoch] = curves.epochs_of(session, trial.id)
        [last] = curves.measured(session, trial.id).values()
    assert trial.value is not None
    found = [
        trial.value,
        trial.values["digit.accuracy"],
        trial.violations["agreement"],
        epoch.train["agreement"],
        epoch.validation["digit.accuracy"],
        last.validation["digit.accuracy"],
    ]
    assert [repr(each) for each in found] == [repr(number)] * len(found)


def test_outcomes_are_numbered_in_their_order(database: Database) -> None:
    running = scenes.running(database, 4)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(2), scenes.outcome(0)], NOW)
        outcomes.record_outcomes(session, running.token, [scenes.outcome(1)], NOW)
    assert [scenes.trial_of(database, running, number).sequence for number in range(4)] == [2, 3, 1, None]


def test_a_trial_ends_once(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, 0.25)], NOW)
        both = [scenes.outcome(0, 0.75), scenes.outcome(1, 0.75)]
        assert outcomes.record_outcomes(session, running.token, both, later(1)) == (1,)
    assert (scenes.trial_of(database, running).value, scenes.trial_of(database, running).ended_at) == (0.25, NOW)


def test_a_message_with_nul_does_not_stop_an_outcome(database: Database) -> None:
    running = scenes.running(database, 1)
    failed = scenes.outcome(0, None, TrialState.FAILED, reason=Reason("raised", "bad \x00 byte \udcff"))
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [failed], NOW)
    reason = scenes.trial_of(database, running).reason
    assert reason is not None
    assert reason.message == "bad \ufffd byte ?"


def test_trials_are_picked_by_role_and_state(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 2, Role.BASELINE)
        scenes.add(session, study, 2, Role.SEARCH)
        scenes.start(session, study, [1, 2])
        picked = trial_rows.trials_of(session, study.id, roles=[Role.BASELINE], states=[TrialState.RUNNING])
        unfinished = trial_rows.unfinished_trials(session, study.id)
        waiting = trial_rows.waiting_trials(session, study.id)
        counts = trial_rows.count_by_role(session, study.id)
    assert [trial.number for trial in picked] == [1]
    assert [trial.number for trial in unfinished] == [0, 1, 2, 3]
    assert [trial.number for trial in waiting] == [0, 3]
    assert counts == {
        (Role.BASELINE, TrialState.WAITING): 1,
        (Role.BASELINE, TrialState.RUNNING): 1,
        (Role.SEARCH, TrialState.RUNNING): 1,
        (Role.SEARCH, TrialState.WAITING): 1,
    }


def test_a_sampler_observes_the_best_the_latest_and_the_unfinished(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 1, Role.BASELINE)
        scenes.add(session, study, 10)
        lease = scenes.start(session, study, list(range(10)))
        values = [9.0, 0.8, 0.1, 0.9, 0.2, 0.3, 0.4, 0.5, math.nan]
        ends = [scenes.outcome(number, value) for number, value in enumerate(values)]
        outcomes.record_outcomes(session, lease.token, ends, NOW)
        found = trial_rows.search_history(session, study.id, BEST_FIRST, best=2, latest=3)
    assert [trial.number for trial in found] == [1, 3, 6, 7, 8, 9, 10]


def test_a_sampler_observes_feasible_trials_before_better_ones(database: Database) -> None:
    running = scenes.running(database, 3)
    values = [(0.1, True), (0.9, False), (0.5, False)]
    ends = [scenes.outcome(number, value, feasible=feasible) for number, (value, feasible) in enumerate(values)]
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, ends, NOW)
        found = trial_rows.search_history(session, running.study.id, BEST_FIRST, best=2, latest=0)
    assert [trial.number for trial in found] == [0, 1]


def test_loading_many_trials_takes_as_few_statements_as_loading_one(database: Database) -> None:
    running = scenes.running(database, 60)
    seen: list[str] = []
    with database.reading() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: seen.append(args[2]))
        trial_rows.trials_of(session, running.study.id)
        many = len(seen)
        trial_rows.get_trial(session, running.study.id, 0)
    assert many == len(seen) - many == 2


def test_a_cohort_logs_its_seconds(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], later(7))
        leases.complete(session, running.token, later(8))
        cohort = session.execute(select(COHORTS)).one()
    assert (cohort.size, cohort.engine, cohort.worker) == (1, "stacked", "w1")
    assert (cohort.ended_at, cohort.seconds) == (later(8), 8.0)


def test_the_parameters_of_all_search_trials_are_listed(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 1, Role.BASELINE)
        scenes.add(session, study, 3)
        found = trial_rows.search_parameters(session, study.id)
    assert found == [dict(scenes.planned(place).parameters) for place in range(3)]


def test_an_undefined_metric_comes_back_undefined_wherever_it_is_kept(database: Database) -> None:
    running = scenes.running(database, 1)
    numbers = {"digit.accuracy": UNDEFINED}
    with database.writing() as session:
        epochs.record_epoch(session, running.token, running.cohort, {0: (1, {}, numbers, 0.5)}, NOW)
        ended = scenes.outcome(0, None, values=numbers, measured={Moment.LAST: Measured(validation=numbers)})
        outcomes.record_outcomes(session, running.token, [ended], NOW)
    stored = scenes.trial_of(database, running)
    with database.reading() as session:
        measured = curves.measured(session, stored.id)[Moment.LAST].validation
        (epoch,) = curves.epochs_of(session, stored.id)
    assert [type(each["digit.accuracy"]) for each in (stored.values, measured, epoch.validation)] == [Undefined] * 3


def test_a_complete_trial_without_an_objective_fails_when_it_is_judged_at_last(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, None), scenes.outcome(1, None)], NOW)
        lost = scenes.outcome(0, None, TrialState.FAILED, reason=Reason("no_objective", "b.auc is undefined"))
        study = study_rows.lock_study(session, running.study.id)
        ids = [trial_rows.get_trial(session, study.id, number).id for number in (0, 1)]
        outcomes.rescore(session, study, dict(zip(ids, [lost, scenes.outcome(1, 0.5)], strict=True)), NOW)
        first, second = (trial_rows.get_trial(session, study.id, number) for number in (0, 1))
        found = events.events_after(session, study.id, 0, 100)
    assert (first.state, first.reason, first.value) == (TrialState.FAILED, Reason("no_objective", "b.auc is undefined"), None)
    assert (second.state, second.reason, second.value) == (TrialState.COMPLETE, None, 0.5)
    assert [event.body.get("rescored") for event in found[-2:]] == [2, None]
    assert found[-1].body["reason"]["code"] == "no_objective"
