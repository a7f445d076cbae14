"""The best-weights document over HTTP, and exports."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from app.schemas.results import BestWeights
from storage.records import Reason, Role, StudyState, TrialState
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, outcome, problem

BEST = f"/v1/studies/{NAME}/best"
EXPORT = f"/v1/studies/{NAME}/export"


def test_the_best_document_equals_the_row_of_its_trial(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.75, 0.25], baseline=0.6)
    best = bench.get(BEST)
    trial = bench.get(f"/v1/studies/{NAME}/trials/{best['trial']}")
    assert best["trial"] == 2
    for same in ("weights", "parameters", "metrics"):
        assert best[same] == trial[same]
    assert best["objective"] == {"aggregate": "mean", **trial["objective"]}
    assert (best["seeds"], best["epoch"]) == ([trial["seed"]], trial["epochs"])
    BestWeights.model_validate(best)


def test_the_best_document_says_how_its_weights_are_used(bench: Bench) -> None:
    bench.submit()
    bench.publish({"outputs": {"digit": {}, "parity": {}, "extra": {}}})
    bench.trained([0.5])
    best = bench.get(BEST)
    assert best["loss_weights"] == {"digit": 1.0, "parity": 0.25, "extra": None}
    assert best["penalty_weights"] == {"agreement": 0.5}
    assert best["reproduced_by"] == "compile_and_penalties"
    assert "agreement" in best["note"]
    assert set(best["versions"]) == {"steelyard", "keras", "tensorflow", "optuna"}


def test_the_best_document_has_the_baseline_to_compare_with(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.75], baseline=0.5)
    current = bench.get(BEST)["baselines"]["current"]
    assert (current["trial"], current["metrics"]["validation"][DIGIT]) == (0, 0.5)
    assert current["weights"]["digit.crossentropy"] == 1.0


def test_a_baseline_may_win(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.25], baseline=0.5)
    assert bench.get(BEST)["trial"] == 0


def test_the_best_document_is_final_when_the_study_has_ended(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    assert bench.get(BEST)["final"] is False
    bench.ended(StudyState.COMPLETE)
    best = bench.get(BEST)
    assert (best["final"], best["study"]["state"]) == (True, "COMPLETE")


def test_a_number_that_json_cannot_say_is_null_in_the_best_document(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.end(bench.start(), [outcome(0, 0.5, values={DIGIT: 0.5, PARITY: math.inf})])
    best = bench.get(BEST)
    assert best["objective"]["values"][PARITY] is None
    assert best["not_finite"] == {f"objective.values.{PARITY}": "inf"}


def test_without_a_loss_weight_key_for_what_compile_cannot_say(bench: Bench) -> None:
    bench.submit(penalties=[], tasks=_with_column())
    bench.plan_weights({"digit.crossentropy": 1.0, "parity.crossentropy": 0.25})
    best = bench.get(BEST)
    assert best["reproduced_by"] == "custom_loss"
    assert "loss_weights" not in best


def _with_column() -> list[dict[str, object]]:
    loss = {"name": "crossentropy", "loss": "binary_crossentropy"}
    return [
        {
            "name": "digit",
            "output": "parity",
            "column": 0,
            "target": "parity",
            "losses": [loss],
            "metrics": ["sparse_categorical_accuracy"],
        },
        {"name": "parity", "losses": [{**loss, "weight": {"low": 0.01, "high": 100}}], "metrics": ["binary_accuracy"]},
    ]


def test_no_complete_trial_yet_is_409_with_retry_after(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    response = bench.client.get(BEST)
    problem(response, 409, "no-trial-yet")
    assert int(response.headers["retry-after"]) > 0


def test_a_study_that_ended_without_a_complete_trial_is_409_with_its_reason(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.end(bench.start(), [outcome(0, None, state=TrialState.DIVERGED)])
    bench.ended(StudyState.FAILED, reason=Reason("no_trial_complete", "not one of 1 search trials is complete: 1 DIVERGED"))
    response = bench.client.get(BEST)
    body = problem(response, 409, "no-trial")
    assert "1 DIVERGED" in body["detail"]
    assert "retry-after" not in response.headers


def test_no_feasible_trial_is_409_with_the_closest(bench: Bench) -> None:
    bench.submit()
    bench.plan(2)
    missed = [0.5, 0.125]
    bench.end(bench.start(), [outcome(i, 0.5 + i, feasible=False, violations={DIGIT: by}) for i, by in enumerate(missed)])
    closest = problem(bench.client.get(BEST), 409, "no-feasible-trial")["closest"]
    assert (closest["trial"], closest["violations"]) == (1, {DIGIT: 0.125})
    assert closest["weights"]["parity.crossentropy"] == 1.25


def test_references_and_failed_trials_do_not_win(bench: Bench) -> None:
    bench.submit()
    bench.plan(1, role=Role.REFERENCE, rule="digit")
    bench.plan(2)
    bench.end(bench.start(), [outcome(0, 0.9), outcome(1, 0.8, state=TrialState.DIVERGED), outcome(2, 0.5)])
    assert bench.get(BEST)["trial"] == 2


def test_an_unchanged_best_is_304(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    tag = bench.client.get(BEST).headers["etag"]
    assert bench.client.get(BEST, headers={"If-None-Match": tag}).status_code == 304


def test_an_export_has_one_json_line_a_trial(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, math.nan])
    bench.plan(1)
    response = bench.client.get(EXPORT)
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["content-disposition"] == f'attachment; filename="{NAME}.jsonl"'
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert lines == bench.get(f"/v1/studies/{NAME}/trials")["trials"]


def test_an_export_as_csv_has_the_columns_of_the_table(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, math.nan])
    response = bench.client.get(EXPORT, params={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    table = bench.get(f"/v1/studies/{NAME}/trials", view="table")["columns"]
    assert list(rows[0]) == list(table)
    assert [row["objective"] for row in rows] == ["0.5", "nan"]
    assert [row["weights.parity.crossentropy"] for row in rows] == ["0.25", "1.25"]
    assert rows[0]["feasible"] == "true"


def test_an_export_goes_through_all_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.columns.ROWS_AT_ONCE", 2)
    bench.submit()
    bench.plan(5)
    lines = bench.client.get(EXPORT).text.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3, 4]


def test_an_unknown_format_is_422(bench: Bench) -> None:
    bench.submit()
    body = problem(bench.client.get(f"{EXPORT}?format=xlsx"), 422, "bad-parameter")
    assert body["errors"][0]["path"] == "query.format"
