"""What of a long search a front's sampler and finalists observe."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from search.definition.space import SearchSpace
from search.planning.history import recalled
from search.validation import normalize
from search.worker.claim import definition_of
from storage import leases, outcomes, studies, study_rows, trials
from storage.database import Database
from storage.records import Measured, Moment, Outcome, PlannedTrial, Role, StudyRecord, TrialState
from tests.search.definitions import changed, define, log_range, study
from tests.storage import scenes
from tests.storage.scenes import NOW

FIRST, SECOND = "t0.mse", "t1.mse"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Errors = Sequence[tuple[float, float]]


def searched(database: Database, errors: Errors, *, aggregate: str = "pareto", at_most: float | None = None) -> StudyRecord:
    """Store a study whose trials, all COMPLETE, have these errors; with `at_most`, one over which the first one is infeasible."""
    bound = {"metric": "t0.error", "strategy": "constraint", "at_most": at_most or 1e9}
    metrics = [{"metric": FIRST}, {"metric": SECOND}, bound]
    document = changed(study(log_range(), 1.0, trials=20_000), {"objective": {"aggregate": aggregate, "metrics": metrics}})
    definition = define({**document, "name": "study"})
    new = scenes.new_study(
        definition=normalize.to_storage(definition),
        workload="ads",
        trial_budget=SearchSpace(definition).trial_budget(),
        terms=normalize.term_records(definition),
    )
    with database.writing() as session:
        made = scenes.prepare(session, studies.create_study(session, new, NOW))
        made = study_rows.lock_study(session, made.id)
        planned = PlannedTrial(Role.SEARCH, None, {"t0.error": 1.0}, {"t0.error": 1.0, "t1.error": 1.0}, 0, "tpe")
        added = trials.add_trials(session, made, [planned] * len(errors), beside=(), now=NOW)
        lease = leases.acquire(session, made.id, scenes.register(session), leases.COHORT, 60.0, NOW)
        trials.start_cohort(session, made, added, lease, engine="stacked", worker="w1", now=NOW)
        limit = at_most if at_most is not None else 1e9
        ended = [_outcome(number, each, feasible=each[0] <= limit) for number, each in enumerate(errors)]
        outcomes.record_outcomes(session, lease.token, ended, NOW)
        return study_rows.get_study(session, "study")


def _outcome(number: int, errors: tuple[float, float], *, feasible: bool) -> Outcome:
    values = {FIRST: errors[0], SECOND: errors[1]}
    measured = Measured(validation={**values, "t0.error": errors[0]})
    return Outcome(
        number, TrialState.COMPLETE, 1, values=values, feasible=feasible, measured={Moment.LAST: measured, Moment.BEST: measured}
    )


def numbers(database: Database, found: StudyRecord) -> list[int]:
    with database.reading() as session:
        return [trial.number for trial in recalled(session, found, definition_of(found))]


WORSE = [(2.0, 2.0)] * 400


def test_of_a_long_search_the_latest_and_the_front_are_observed(database: Database) -> None:
    found = searched(database, [(1.0, 0.0), (0.0, 1.0), (1.0, 1.5), *WORSE])
    assert numbers(database, found) == [0, 1, *range(3, 403)]


def test_of_a_short_search_all_is_observed(database: Database) -> None:
    assert numbers(database, searched(database, [(1.0, 0.0), (3.0, 3.0), (0.0, 1.0)])) == [0, 1, 2]


def test_an_infeasible_trial_is_no_part_of_the_front(database: Database) -> None:
    found = searched(database, [(9.0, 0.0), (0.0, 1.0), *WORSE], at_most=5.0)
    assert numbers(database, found) == [1, *range(2, 402)]


def test_of_a_great_front_the_latest_are_observed(database: Database) -> None:
    front = [(float(i), -float(i)) for i in range(150)]
    found = searched(database, [*front, *[(900.0, 900.0)] * 400])
    assert numbers(database, found) == [*range(50, 150), *range(150, 550)]


def test_another_aggregate_observes_its_best_by_value(database: Database) -> None:
    found = searched(database, [(1.0, 0.0), *WORSE], aggregate="mean")
    assert numbers(database, found) == [*range(1, 401)]  # without a value, none is the best
