"""What a user does to a study: every verb works where it should, again, and says where it cannot."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import func, select

from storage import curves, epochs, leases, lifecycle, outcomes, studies, study_rows, trial_rows
from storage.database import Database
from storage.errors import BudgetTooSmall, LeaseLost, StudyNotFound, WrongState
from storage.models import Base
from storage.records import NO_OBJECTIVE, Moment, Reason, Role, StudyRecord, StudyState, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW, later

S = StudyState
VERBS = {
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
    "stop": lifecycle.stop,
    "cancel": lifecycle.cancel,
    "retry": lifecycle.retry,
}
# What becomes of a prepared study without trials; what is left out is refused.
BECOMES = {
    "pause": {S.QUEUED: S.PAUSED, S.RUNNING: S.PAUSED, S.PAUSED: S.PAUSED},
    "resume": {S.QUEUED: S.QUEUED, S.RUNNING: S.RUNNING, S.PAUSED: S.RUNNING},
    "stop": {S.QUEUED: S.STOPPED, S.RUNNING: S.STOPPED, S.PAUSED: S.STOPPED, S.STOPPING: S.STOPPING, S.STOPPED: S.STOPPED},
    "cancel": dict.fromkeys((S.QUEUED, S.RUNNING, S.PAUSED, S.STOPPING, S.CANCELLED), S.CANCELLED),
    "retry": {S.QUEUED: S.QUEUED, S.RUNNING: S.RUNNING, S.PAUSED: S.PAUSED, S.COMPLETE: S.COMPLETE, S.FAILED: S.RUNNING},
}


def study_in(database: Database, state: StudyState) -> StudyRecord:
    """Bring a study into a state, through the front door."""
    if state is S.STOPPING:
        scenes.running(database, 1)
    with database.writing() as session:
        if state is S.STOPPING:
            return lifecycle.stop(session, "study", NOW)
        study = scenes.create(session)
        if state is S.QUEUED:
            return study
        study = scenes.prepare(session, study)
        match state:
            case S.PAUSED:
                return lifecycle.pause(session, "study", NOW)
            case S.STOPPED:
                return lifecycle.stop(session, "study", NOW)
            case S.CANCELLED:
                return lifecycle.cancel(session, "study", NOW)
            case S.COMPLETE | S.FAILED:
                return studies.end_study(session, study.id, state, None, NOW)
            case _:
                return study


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_does_what_its_table_says_or_is_refused(database: Database, verb: str, state: StudyState) -> None:
    study = study_in(database, state)
    assert study.state is state
    expected = BECOMES[verb].get(state)
    with database.writing() as session:
        if expected is not None:
            assert VERBS[verb](session, "study", later(1)).state is expected
            return
        with pytest.raises(WrongState) as refused:
            VERBS[verb](session, "study", later(1))
        assert set(BECOMES[verb]) == {S(allowed) for allowed in refused.value.allowed}
        assert study_rows.get_study(session, "study") == study


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_again_changes_nothing(database: Database, verb: str) -> None:
    with database.writing() as session:
        scenes.create(session)
        if verb == "resume":
            lifecycle.pause(session, "study", NOW)
        once = VERBS[verb](session, "study", later(1))
        assert VERBS[verb](session, "study", later(2)) == once


def test_an_unprepared_study_resumes_to_the_queue(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session)
        lifecycle.pause(session, "study", NOW)
        assert lifecycle.resume(session, "study", NOW).state is S.QUEUED


def test_stopping_cancels_what_waits_and_lets_run_what_runs(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 3)
        lease = scenes.start(session, study, [0, 1])
        assert lifecycle.stop(session, "study", NOW).state is S.STOPPING
        leases.renew(session, lease.token, 60, later(1))
    assert scenes.states(database, study) == ["RUNNING", "RUNNING", "CANCELLED"]


def test_a_stopping_study_is_stopped_when_its_last_cohort_ends(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        lifecycle.stop(session, "study", NOW)
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0), scenes.outcome(1)], later(1))
        leases.complete(session, running.token, later(2))
        ended = study_rows.get_study(session, "study")
    assert (ended.state, ended.ended_at) == (S.STOPPED, later(2))


def test_settling_ends_only_studies_in_which_nothing_runs(database: Database) -> None:
    first, second = scenes.running(database, 1, "first"), scenes.running(database, 1, "second")
    with database.writing() as session:
        lifecycle.stop(session, "first", NOW)
        lifecycle.stop(session, "second", NOW)
        outcomes.record_outcomes(session, first.token, [scenes.outcome(0)], NOW)
        assert lifecycle.settle_stopping(session, later(1)) == 1
        assert lifecycle.settle_stopping(session, later(1)) == 0
        assert study_rows.get_study(session, "first").state is S.STOPPED
        assert study_rows.get_study(session, "second").state is S.STOPPING
        leases.renew(session, second.token, 60, NOW)


def test_a_trial_lost_while_stopping_is_cancelled_not_tried_again(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        lifecycle.stop(session, "study", NOW)
        leases.release(session, running.token, charge=True, now=later(1))
        assert study_rows.get_study(session, "study").state is S.STOPPED
    assert scenes.states(database, running.study) == ["CANCELLED"]


def test_stopping_ends_a_preflight(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        lease = leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, 60, NOW)
        lifecycle.stop(session, "study", NOW)
        with pytest.raises(LeaseLost):
            leases.complete(session, lease.token, NOW)


def test_cancelling_ends_everything_at_once(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 3)
        lease = scenes.start(session, study, [0, 1])
        cancelled = lifecycle.cancel(session, "study", later(3))
        with pytest.raises(LeaseLost):
            leases.renew(session, lease.token, 60, later(4))
        ended = trial_rows.trials_of(session, study.id)
    assert (cancelled.state, cancelled.ended_at) == (S.CANCELLED, later(3))
    assert {trial.state for trial in ended} == {TrialState.CANCELLED}
    assert {trial.ended_at for trial in ended} == {later(3)}
    assert [trial.sequence for trial in ended] == [1, 2, 3]


def failed_trial(database: Database) -> scenes.Running:
    running = scenes.running(database, 2)
    reason = Reason("raised", "ValueError: no", "losses.py:3")
    with database.writing() as session:
        failed = scenes.outcome(0, None, TrialState.FAILED, reason=reason)
        outcomes.record_outcomes(session, running.token, [failed, scenes.outcome(1)], NOW)
        leases.complete(session, running.token, NOW)
    return running


@pytest.mark.parametrize("end", [S.COMPLETE, S.FAILED])
def test_retrying_sends_failed_trials_back_to_wait(database: Database, end: StudyState) -> None:
    study = failed_trial(database).study
    with database.writing() as session:
        studies.end_study(session, study.id, end, Reason("ended", "so"), NOW)
        again = lifecycle.retry(session, "study", later(1))
        trial = trial_rows.get_trial(session, study.id, 0)
        measured = curves.measured(session, trial.id)
    assert (again.state, again.reason, again.ended_at) == (S.RUNNING, None, None)
    assert (trial.state, trial.charged, trial.cohort_limit) == (TrialState.WAITING, 0, None)
    assert (trial.reason, trial.sequence, trial.ended_at, trial.epochs, measured) == (None, None, None, 0, {})
    assert scenes.states(database, study) == ["WAITING", "COMPLETE"]


def test_retrying_leaves_a_trial_without_an_objective_its_numbers(database: Database) -> None:
    running = scenes.running(database, 2)
    lost = scenes.outcome(0, math.nan, TrialState.FAILED, reason=Reason(NO_OBJECTIVE, "digit.accuracy is undefined on validation"))
    with database.writing() as session:
        raised = scenes.outcome(1, None, TrialState.FAILED, reason=Reason("raised", "no"))
        outcomes.record_outcomes(session, running.token, [lost, raised], NOW)
        leases.complete(session, running.token, NOW)
        studies.end_study(session, running.study.id, S.FAILED, Reason("no_trial_complete", "so"), NOW)
        before = trial_rows.get_trial(session, running.study.id, 0)
        again = lifecycle.retry(session, "study", later(1))
        trial = trial_rows.get_trial(session, running.study.id, 0)
        measured = curves.measured(session, trial.id)
    assert again.state is S.RUNNING
    assert repr(trial) == repr(before)  # no NaN equals another
    assert list(measured[Moment.LAST].validation) == ["digit.accuracy"]
    assert scenes.states(database, running.study) == ["FAILED", "WAITING"]


def test_a_retried_trial_ends_anew(database: Database) -> None:
    study = failed_trial(database).study
    with database.writing() as session:
        lifecycle.retry(session, "study", NOW)
        lease = scenes.start(session, study)
        outcomes.record_outcomes(session, lease.token, [scenes.outcome(0, 0.75)], later(2))
        trial = trial_rows.get_trial(session, study.id, 0)
        measured = curves.measured(session, trial.id)
    assert (trial.state, trial.sequence, trial.attempt) == (TrialState.COMPLETE, 3, 2)
    assert measured[Moment.LAST].validation == {"digit.accuracy": 0.75}


def test_retrying_a_study_that_failed_in_its_preflight_queues_it(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        studies.end_study(session, study.id, S.FAILED, Reason("shapes", "no"), NOW)
        again = lifecycle.retry(session, "study", later(1))
    assert (again.state, again.reason, again.preparations) == (S.QUEUED, None, 0)


def with_search_trials(database: Database, count: int, end: StudyState | None = None) -> StudyRecord:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session, trial_budget=count))
        scenes.add(session, study, 1, Role.BASELINE)
        scenes.add(session, study, count)
        lease = scenes.start(session, study)
        ends = [scenes.outcome(number) for number in range(count + 1)]
        outcomes.record_outcomes(session, lease.token, ends, NOW)
        leases.complete(session, lease.token, NOW)
        return study if end is None else studies.end_study(session, study.id, end, None, NOW)


def test_a_raised_budget_lets_a_complete_study_go_on(database: Database) -> None:
    with_search_trials(database, 3, S.COMPLETE)
    with database.writing() as session:
        again = lifecycle.raise_budget(session, "study", 5, later(1))
    assert (again.trial_budget, again.state, again.ended_at) == (5, S.RUNNING, None)


def test_a_budget_can_be_lowered_to_what_has_been_planned(database: Database) -> None:
    with_search_trials(database, 3)
    with database.writing() as session:
        lifecycle.raise_budget(session, "study", 9, NOW)
        assert lifecycle.raise_budget(session, "study", 3, NOW).trial_budget == 3
        with pytest.raises(BudgetTooSmall) as refused:
            lifecycle.raise_budget(session, "study", 2, NOW)
    assert (refused.value.wanted, refused.value.least) == (2, 3)


@pytest.mark.parametrize("trials_wanted", [0, -5])
def test_a_budget_is_one_at_least(database: Database, trials_wanted: int) -> None:
    with database.writing() as session:
        scenes.create(session)
        with pytest.raises(BudgetTooSmall):
            lifecycle.raise_budget(session, "study", trials_wanted, NOW)


def test_the_same_budget_again_leaves_a_complete_study_complete(database: Database) -> None:
    complete = with_search_trials(database, 3, S.COMPLETE)
    with database.writing() as session:
        assert lifecycle.raise_budget(session, "study", 3, later(1)) == complete


@pytest.mark.parametrize("state", [S.FAILED, S.STOPPED, S.CANCELLED, S.STOPPING])
def test_the_budget_of_a_study_that_is_over_stays(database: Database, state: StudyState) -> None:
    study_in(database, state)
    with database.writing() as session, pytest.raises(WrongState):
        lifecycle.raise_budget(session, "study", 99, NOW)


def test_a_study_that_stopped_early_goes_on_when_its_stop_changes(database: Database) -> None:
    with_search_trials(database, 3)
    with database.writing() as session:
        study = lifecycle.change_stop(session, "study", {"after_seconds": 5.0, "no_gain": None}, later(1))
        ended = studies.end_study(session, study.id, S.COMPLETE, Reason("stopped_after_seconds", "5 s"), later(2))
        assert lifecycle.change_stop(session, "study", {"after_seconds": 5.0, "no_gain": None}, later(3)) == ended
        again = lifecycle.change_stop(session, "study", None, later(4))
    assert (again.state, again.reason, again.definition["search"]["stop"]) == (S.RUNNING, None, None)


def test_a_study_that_spent_its_trials_stays_complete_whatever_its_stop(database: Database) -> None:
    with_search_trials(database, 3, S.COMPLETE)
    with database.writing() as session:
        assert lifecycle.change_stop(session, "study", {"after_seconds": 5.0, "no_gain": None}, later(1)).state is S.COMPLETE


def test_a_complete_study_goes_on_when_its_winner_is_to_be_repeated(database: Database) -> None:
    with_search_trials(database, 3, S.COMPLETE)
    search = {"confirmation": {"top": 1, "seeds": 2}}
    with database.writing() as session:
        again = lifecycle.confirm(session, "study", search, "new", later(1))
    assert (again.state, again.definition["search"], again.definition_sha256) == (S.RUNNING, search, "new")


@pytest.mark.parametrize("state", [S.FAILED, S.STOPPED, S.CANCELLED, S.STOPPING])
def test_the_winner_of_a_study_that_is_over_is_not_repeated(database: Database, state: StudyState) -> None:
    study_in(database, state)
    with database.writing() as session, pytest.raises(WrongState):
        lifecycle.confirm(session, "study", {"confirmation": {}}, "new", NOW)


def test_labels_and_description_are_replaced_or_left(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session, labels={"team": "a"}, description="old")
        labelled = lifecycle.relabel(session, "study", {"owner": "b"}, None, later(1))
        described = lifecycle.relabel(session, "study", None, "new", later(2))
    assert (labelled.labels, labelled.description) == ({"owner": "b"}, "old")
    assert (described.labels, described.description, described.updated_at) == ({"owner": "b"}, "new", later(2))


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSED, S.STOPPING])
def test_an_open_study_is_not_deleted(database: Database, state: StudyState) -> None:
    study_in(database, state)
    with database.writing() as session, pytest.raises(WrongState):
        lifecycle.delete_study(session, "study", NOW)


def test_a_deleted_study_leaves_nothing_behind(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        report = {number: (0, {"agreement": 1.0}, {"digit.accuracy": 0.1}, 0.5) for number in (0, 1)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        violated = scenes.outcome(0, violations={"digit.accuracy": 0.5})
        outcomes.record_outcomes(session, running.token, [violated, scenes.outcome(1)], NOW)
        studies.end_study(session, running.study.id, S.COMPLETE, None, NOW)
        lifecycle.delete_study(session, "study", NOW)
    with database.reading() as session:
        with pytest.raises(StudyNotFound):
            study_rows.get_study(session, "study")
        counts = {table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables}
    assert counts.pop("workers") == 1
    assert set(counts.values()) == {0}
