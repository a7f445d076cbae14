"""The epochs of several trials at once."""

from __future__ import annotations

import pytest

from tests.app.scenes import DIGIT, NAME, Bench, on_sqlite, problem

CURVES = f"/v1/studies/{NAME}/curves"


def test_curves_have_the_epochs_of_several_trials(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.75])
    found = bench.get(CURVES, trials="1,0", terms=f"{DIGIT},digit.crossentropy")
    assert found["split"] == "validation"
    assert [curve["trial"] for curve in found["curves"]] == [1, 0]
    assert found["curves"][0]["epochs"] == [0, 1, 2]
    assert found["curves"][0]["values"] == {DIGIT: [0.0, 0.25, 0.5], "digit.crossentropy": [2.0, 1.5, 1.0]}


def test_curves_of_the_training_rows_have_the_terms(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    curve = bench.get(CURVES, trials="0", split="train")["curves"][0]
    assert set(curve["values"]) == {"digit.crossentropy", "parity.crossentropy", "agreement"}


def test_curves_of_a_waiting_trial_are_empty(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    assert bench.get(CURVES, trials="0")["curves"] == [{"trial": 0, "epochs": [], "values": {}, "not_finite": {}}]


def test_curves_of_a_trial_that_is_not_there_are_404(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    problem(bench.client.get(CURVES, params={"trials": "0,7"}), 404, "trial-not-found")


@on_sqlite
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "query.trials"),
        ({"trials": ""}, "query.trials"),
        ({"trials": "0,x"}, "query.trials"),
        ({"trials": "-1"}, "query.trials"),
        ({"trials": ",".join(["0"] * 101)}, "query.trials"),
        ({"trials": "0", "terms": "digit.accurracy"}, "query.terms"),
        ({"trials": "0", "split": "test"}, "query.split"),
    ],
)
def test_bad_curves_are_422(bench: Bench, query: dict[str, str], path: str) -> None:
    bench.submit()
    bench.plan(1)
    body = problem(bench.client.get(CURVES, params=query), 422, "bad-parameter")
    assert body["errors"][0]["path"] == path


def test_curves_too_large_for_one_answer_are_refused(bench: Bench) -> None:
    bench.submit(training={"epochs": 100_000})
    bench.plan(2)
    body = problem(bench.client.get(CURVES, params={"trials": "0,1"}), 422, "bad-parameter")
    assert "1000000" in body["detail"]
