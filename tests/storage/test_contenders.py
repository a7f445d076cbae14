"""The trials that an answer is made of, fetched in the order that `search.objective.order` names."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from search.objective import order
from search.objective.order import BEST_FIRST
from storage import contenders, outcomes, study_rows, trial_rows, trials
from storage.database import Database
from storage.records import ADAPTIVE_ORIGIN, PlannedTrial, Role, StudyRecord, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW


def leader(session: Session, study: StudyRecord) -> TrialRecord | None:
    return contenders.leaders(session, [study.id], BEST_FIRST).get(study.id)


@pytest.mark.parametrize(
    ("ends", "best"),
    [
        ([(0.5, True), (0.75, True), (0.75, True)], 1),  # the lowest number of the greatest
        ([(0.9, False), (0.5, True)], 1),  # feasible before better
        ([(0.5, False), (0.9, False)], 1),  # where none is feasible, the greatest
        ([(math.nan, True), (-3.0, True), (math.inf, True)], 1),  # only finite values compete
        ([(math.nan, True)], None),
        ([], None),
    ],
)
def test_the_leader_is_the_first_in_the_order_of_those_with_a_finite_value(
    database: Database, ends: list[tuple[float, bool]], best: int | None
) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        ends = [scenes.outcome(number, value, feasible=feasible) for number, (value, feasible) in enumerate(ends)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        found = leader(session, running.study)
    assert (None if found is None else found.number) == best


@pytest.mark.parametrize("role", [Role.REFERENCE, Role.CONFIRMATION])
def test_references_and_confirmations_do_not_lead(database: Database, role: Role) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 1, role)
        scenes.add(session, study, 1, Role.BASELINE)
        lease = scenes.start(session, study)
        outcomes.record_outcomes(session, lease.token, [scenes.outcome(0, 0.9), scenes.outcome(1, 0.1)], NOW)
        found = leader(session, study)
    assert found is not None
    assert found.number == 1


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED])
def test_only_complete_trials_lead(database: Database, state: TrialState) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, 0.9, state)], NOW)
        assert leader(session, running.study) is None


def add(session: Session, study: StudyRecord, planned: list[PlannedTrial]) -> list[int]:
    locked = study_rows.lock_study(session, study.id)
    return [trial.number for trial in trials.add_trials(session, locked, planned, beside=(), now=NOW)]


def confirmation(of: int, seed: int) -> PlannedTrial:
    plain = scenes.planned(of, Role.CONFIRMATION)
    return PlannedTrial(plain.role, None, plain.parameters, plain.weights, seed, "confirmation", confirms=of)


def test_what_sql_fetches_first_is_what_the_order_puts_first(database: Database) -> None:
    """Every trial of this study read and compared in Python gives the same leader, whatever the mix of values and roles."""
    ends = [(0.5, True), (math.nan, True), (0.9, False), (math.inf, True), (-0.0, True), (0.5, True), (0.7, False), (2.0, True)]
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        adaptive = scenes.planned(0, Role.BASELINE, "dwa")
        moving = PlannedTrial(adaptive.role, "dwa", adaptive.parameters, adaptive.weights, 0, ADAPTIVE_ORIGIN)
        add(session, study, [scenes.planned(place) for place in range(len(ends) - 1)] + [moving])
        lease = scenes.start(session, study)
        for number, (value, feasible) in enumerate(ends):
            outcomes.record_outcomes(session, lease.token, [scenes.outcome(number, value, feasible=feasible)], NOW)
            assert leader(session, study) == order.leader(trial_rows.trials_of(session, study.id))
        found = leader(session, study)
    assert found is not None
    assert found.number == 0


def test_the_leaders_of_many_studies_take_as_few_statements_as_one(database: Database) -> None:
    studies = [scenes.running(database, 2, name) for name in ("one", "two", "three")]
    with database.writing() as session:
        for running in studies[:2]:
            ends = [scenes.outcome(number, 0.1 * number) for number in range(2)]
            outcomes.record_outcomes(session, running.token, ends, NOW)
    seen: list[str] = []
    with database.reading() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: seen.append(args[2]))
        found = contenders.leaders(session, [running.study.id for running in studies], BEST_FIRST)
    assert {study_id: trial.number for study_id, trial in found.items()} == {running.study.id: 1 for running in studies[:2]}
    assert len(seen) == 2


def test_a_trial_without_a_value_leads_only_where_none_is_asked_for(database: Database) -> None:
    running = scenes.running(database, 2)
    ends = [scenes.outcome(0, None, feasible=False), scenes.outcome(1, None)]
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, ends, NOW)
        valued = contenders.answer_trials(session, running.study.id, BEST_FIRST)
        judged = contenders.answer_trials(session, running.study.id, BEST_FIRST, valued=False)
    assert (valued, [trial.number for trial in judged]) == ([], [1])


def test_an_answer_is_made_of_the_leader_the_baselines_and_what_is_asked_for(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 4)
        add(session, study, [scenes.planned(0, Role.BASELINE, "equal"), confirmation(2, 1), confirmation(2, 2)])
        lease = scenes.start(session, study)
        ends = [scenes.outcome(number, 0.1 * number) for number in range(6)]
        ends.append(scenes.outcome(6, None, TrialState.DIVERGED, feasible=None))
        outcomes.record_outcomes(session, lease.token, ends, NOW)

        def numbers(**asked: object) -> list[int]:
            return [trial.number for trial in contenders.answer_trials(session, study.id, BEST_FIRST, **asked)]  # type: ignore[arg-type]

        assert numbers() == [4]  # equal weights are the best there are, too
        assert numbers(numbers=[1]) == [1, 4]
        assert numbers(fresh=True) == [2, 4, 5, 6]  # the second training on a fresh seed diverged: that counts too
        assert numbers(history=1) == [3, 4]


def test_missed_constraints_are_those_of_complete_trials_that_compete(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 3)
        scenes.add(session, study, 1, Role.REFERENCE)
        lease = scenes.start(session, study)
        missed = {"digit.accuracy": 0.2, "agreement": math.inf}
        ends = [scenes.outcome(number, feasible=False, violations=missed) for number in (0, 3)]
        pruned = scenes.outcome(2, 0.5, TrialState.PRUNED, feasible=False, violations=missed)
        outcomes.record_outcomes(session, lease.token, [*ends, scenes.outcome(1), pruned], NOW)
        assert contenders.missed_constraints(session, study.id) == {0: missed}
