"""How many SQL statements an answer takes: few, and as many for a great study as for a small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event

from storage import study_rows, trials
from storage.records import Measured, Moment, Outcome, Role, StudyState, TrialState
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, definition, outcome, planned
from tests.app.test_sensitivity import come_to_its_end

STUDY, BEST = f"/v1/studies/{NAME}", f"/v1/studies/{NAME}/best"
CONFIRMED = {**definition()["search"], "confirmation": {"top": 3, "seeds": 4}, "normalize": "initial_loss"}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Give the statements that any engine runs meanwhile; a transaction's begin and end are none."""
    seen: list[str] = []

    def note(*args: object) -> None:
        seen.append(str(args[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def taken(bench: Bench, path: str) -> list[str]:
    """Return the statements of one GET, after one that may have filled the connection's caches."""
    bench.get(path)
    with statements() as seen:
        bench.get(path)
    return [text for text in seen if not text.startswith(("BEGIN", "SET", "SHOW"))]


def ended(number: int, value: float) -> Outcome:
    return replace(outcome(number, value), measured={Moment.LAST: Measured(validation={DIGIT: value, PARITY: value})})


def confirmed(bench: Bench, searched: int) -> None:
    """Search with so many trials beside a baseline, train the best three and the baseline on four fresh seeds, and end."""
    bench.submit(search=CONFIRMED)
    bench.plan(1, role=Role.BASELINE, rule="equal")
    numbers = bench.plan(searched)
    bench.end(bench.start(), [ended(number, 0.5 + number / 1000) for number in [0, *numbers]])
    finalists = [0, *numbers[-3:]]
    again = [replace(planned(of, Role.CONFIRMATION), confirms=of, seed=seed + 1) for seed in range(4) for of in finalists]
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        added = trials.add_trials(session, study, again, beside=(), now=bench.database.now(session))
    bench.end(bench.start(), [ended(trial.number, 0.5 + trial.seed / 100 - (trial.confirms or 0) / 1000) for trial in added])
    come_to_its_end(bench)


@pytest.mark.parametrize("searched", [8, 40])
def test_the_best_of_a_confirmed_study_takes_at_most_ten_statements(bench: Bench, searched: int) -> None:
    confirmed(bench, searched)
    best = bench.get(BEST)
    assert (best["trial"], best["confirmed"], len(best["baselines"])) == (searched - 2, True, 1)
    assert len(best["confirmation"]["candidates"]) == 4
    assert "sensitivity" in best
    assert len(taken(bench, BEST)) <= 10


def test_a_study_takes_at_most_ten_statements_and_a_list_no_more_than_one(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.75], baseline=0.6)
    one = taken(bench, STUDY)
    for name in ("second", "third"):
        bench.submit(name=name, search={**definition()["search"], "seed": len(name)})
        bench.trained([0.5], name)
    assert bench.study("third").state is StudyState.RUNNING
    assert len(taken(bench, "/v1/studies")) == len(one) <= 10


def test_an_infeasible_study_takes_no_more_statements_for_more_trials(bench: Bench) -> None:
    bench.submit()
    numbers = bench.plan(12)
    missed = [{"feasible": False, "violations": {DIGIT: 0.5 - number / 100}} for number in numbers]
    bench.end(bench.start(), [outcome(number, 0.5, **missed[number]) for number in numbers])
    with statements() as seen:
        closest = bench.client.get(BEST).json()["closest"]
    assert (closest["trial"], closest["violations"]) == (11, {DIGIT: pytest.approx(0.39)})
    assert len(seen) <= 10
    assert all(trial["state"] == TrialState.COMPLETE for trial in bench.get(f"{STUDY}/trials")["trials"])
