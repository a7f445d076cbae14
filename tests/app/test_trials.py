"""Listing, paging and reading trials, as rows and as columns."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from typing import Any

import pytest

from storage import epochs
from storage.records import UNDEFINED, Measured, Moment, Reason, Role, TrialState
from tests.app.scenes import DIGIT, NAME, Bench, on_sqlite, outcome, problem
from tests.storage.scenes import find_lease

TRIALS = f"/v1/studies/{NAME}/trials"


def numbers(page: Any) -> list[int]:
    return [trial["number"] for trial in page["trials"]]


def walk(bench: Bench, size: int = 2, **query: Any) -> list[int]:
    """Return the numbers of all pages in their order."""
    found: list[int] = []
    token = ""
    while True:
        page = bench.get(TRIALS, page_size=size, page_token=token, **query)
        found += numbers(page)
        token = page["next_page_token"]
        if not token:
            return found


def test_a_complete_trial_has_every_field_of_the_contract(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.75])
    trial = bench.get(TRIALS)["trials"][0]
    assert set(trial) == {
        *(
            "number",
            "role",
            "rule",
            "state",
            "ended",
            "weights",
            "parameters",
            "objective",
            "metrics",
            "seed",
            "seeds",
            "by_seed",
            "epochs",
            "best_epoch",
            "workload_version",
        ),
        *("attempt", "worker", "cohort", "engine", "engine_why", "reason", "created_at", "started_at", "ended_at", "not_finite"),
    }
    assert trial["weights"] == {"digit.crossentropy": 1.0, "parity.crossentropy": 0.25, "agreement": 0.5}
    assert trial["parameters"] == {"parity.crossentropy": 0.25, "agreement": 0.5}
    assert set(trial["objective"]) == {"value", "values", "feasible", "violations"}
    assert trial["objective"]["value"] == trial["metrics"]["validation"][DIGIT] == 0.75
    assert trial["metrics"]["train"]["digit.crossentropy"] == 0.5
    assert trial["metrics"]["test"] == {}
    assert (trial["state"], trial["ended"], trial["role"], trial["epochs"], trial["attempt"]) == ("COMPLETE", True, "search", 2, 1)
    assert (trial["worker"], trial["engine"], trial["reason"]) == ("w1", "serial", None)


def test_a_waiting_trial_has_the_same_fields(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    trial = bench.get(TRIALS)["trials"][0]
    assert trial["objective"] == {"value": None, "values": {}, "feasible": None, "violations": {}}
    assert trial["metrics"] == {"train": {}, "validation": {}, "test": {}}
    assert (trial["state"], trial["ended"], trial["worker"], trial["cohort"]) == ("WAITING", False, None, None)


def test_numbers_that_json_cannot_say_are_null_and_named(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.end(bench.start(), [outcome(0, math.nan, violations={"agreement": math.inf}, values={DIGIT: -math.inf}, feasible=False)])
    trial = bench.get(TRIALS)["trials"][0]
    assert trial["objective"] == {"value": None, "values": {DIGIT: None}, "feasible": False, "violations": {"agreement": None}}
    assert trial["metrics"]["validation"][DIGIT] is None
    assert trial["not_finite"] == {
        "objective.value": "nan",
        "by_seed.0": "nan",
        f"objective.values.{DIGIT}": "-inf",
        "objective.violations.agreement": "inf",
        f"metrics.validation.{DIGIT}": "nan",
        "metrics.validation.parity.binary_accuracy": "nan",
    }


def test_a_failed_trial_says_why(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    reason = Reason("raised", "division by zero", "mine.py:12")
    bench.end(bench.start(), [outcome(0, None, state=TrialState.FAILED, reason=reason)])
    trial = bench.get(TRIALS)["trials"][0]
    assert trial["reason"] == {"code": "raised", "message": "division by zero", "at": "mine.py:12"}
    assert trial["objective"]["value"] is None


def test_trials_are_filtered_by_state_and_role(bench: Bench) -> None:
    bench.submit()
    bench.plan(1, role=Role.BASELINE, rule="current")
    bench.plan(3)
    bench.end(bench.start([0, 1]), [outcome(0, 0.5), outcome(1, 0.75)])
    assert numbers(bench.get(TRIALS, state="COMPLETE")) == [0, 1]
    assert numbers(bench.get(TRIALS, role="baseline")) == [0]
    assert numbers(bench.get(TRIALS, role="search", state="WAITING")) == [2, 3]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("number", [0, 1, 2, 3, 4]),
        ("-number", [4, 3, 2, 1, 0]),
        ("objective", [2, 0, 3, 1, 4]),
        ("-objective", [3, 0, 2, 1, 4]),
        (DIGIT, [2, 0, 3, 1, 4]),
        (f"-{DIGIT}", [3, 0, 2, 1, 4]),
        ("-digit.crossentropy", [3, 2, 1, 0, 4]),
    ],
)
def test_pages_follow_the_order_and_what_is_not_a_number_comes_last(bench: Bench, order: str, expected: list[int]) -> None:
    bench.submit()
    bench.plan(5)
    values = [0.5, math.nan, 0.25, 0.75]
    bench.end(bench.start([0, 1, 2, 3]), [outcome(i, value) for i, value in enumerate(values)])
    assert walk(bench, order_by=order) == expected


def test_trials_that_are_added_between_pages_are_seen_once(bench: Bench) -> None:
    bench.submit()
    bench.plan(5)
    found: list[int] = []
    token = ""
    for _ in range(4):
        page = bench.get(TRIALS, page_size=2, page_token=token)
        found += numbers(page)
        token = page["next_page_token"]
        if len(found) < 5:
            bench.plan(1)
    assert found == sorted(set(found))
    assert found[:5] == [0, 1, 2, 3, 4]


def test_a_trial_that_ends_between_pages_is_not_seen_twice(bench: Bench) -> None:
    bench.submit()
    bench.plan(4)
    token = bench.start()
    first = bench.get(TRIALS, order_by="-objective", page_size=2)
    bench.end(token, [outcome(i, 0.5) for i in range(4)])
    second = bench.get(TRIALS, order_by="-objective", page_size=2, page_token=first["next_page_token"])
    assert not set(numbers(first)) & set(numbers(second))


def test_the_last_page_has_no_token(bench: Bench) -> None:
    bench.submit()
    bench.plan(2)
    assert bench.get(TRIALS, page_size=2)["next_page_token"] == ""


def forged(token: str) -> list[str]:
    """Return tokens that nobody gave out, made from one that was."""
    content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    altered = [
        content[:-1] + bytes([content[-1] ^ 1]),
        bytes([content[0] ^ 1]) + content[1:],
        content[:12],
        content[:5],
        content + b"0",
    ]
    return ["x", "!", "é", token[:-2], token + "AAAA", *(base64.urlsafe_b64encode(each).decode() for each in altered)]


def test_a_forged_page_token_is_refused(bench: Bench) -> None:
    bench.submit()
    bench.plan(3)
    token = bench.get(TRIALS, page_size=1)["next_page_token"]
    for each in forged(token):
        problem(bench.client.get(TRIALS, params={"page_size": 1, "page_token": each}), 400, "bad-page-token")


@pytest.mark.parametrize("query", [{"order_by": "-number"}, {"state": "WAITING"}, {"role": "search"}, {"order_by": DIGIT}])
def test_a_page_token_of_another_order_is_refused(bench: Bench, query: dict[str, str]) -> None:
    bench.submit()
    bench.plan(3)
    token = bench.get(TRIALS, page_size=1)["next_page_token"]
    problem(bench.client.get(TRIALS, params={"page_size": 1, "page_token": token, **query}), 400, "bad-page-token")


def test_a_page_token_of_another_study_is_refused(bench: Bench) -> None:
    bench.submit()
    other = bench.submit(name="other")
    bench.plan(3)
    token = bench.get(TRIALS, page_size=1)["next_page_token"]
    problem(bench.client.get(f"/v1/studies/{other}/trials", params={"page_token": token}), 400, "bad-page-token")


def test_a_page_token_of_the_studies_list_is_refused(bench: Bench) -> None:
    bench.submit()
    bench.submit(name="other")
    token = bench.get("/v1/studies", page_size=1)["next_page_token"]
    problem(bench.client.get(TRIALS, params={"page_token": token}), 400, "bad-page-token")


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        {"order_by": "digit.sparse_categorical_acuracy"},
        {"order_by": "--number"},
        {"order_by": ""},
        {"order_by": "x" * 300},
        {"order_by": "\x00"},
        {"state": "DONE"},
        {"role": "SEARCH"},
        {"page_size": "0"},
        {"page_size": "1001"},
        {"page_size": "9" * 5000},
        {"page_size": "1.5"},
        {"view": "rows"},
        {"stat": "COMPLETE"},
        {"page_token": "x" * 5000},
    ],
)
def test_a_bad_parameter_is_422_that_names_it(bench: Bench, query: dict[str, str]) -> None:
    bench.submit()
    body = problem(bench.client.get(TRIALS, params=query), 422, "bad-parameter")
    assert body["errors"][0]["path"] == f"query.{next(iter(query))}"


def test_a_misspelt_order_gets_a_hint(bench: Bench) -> None:
    bench.submit()
    body = problem(bench.client.get(TRIALS, params={"order_by": "-digit.sparse_categorical_acuracy"}), 422, "bad-parameter")
    assert body["errors"][0]["did_you_mean"] == DIGIT


def test_a_table_has_columns_of_equal_length(bench: Bench) -> None:
    bench.submit()
    bench.plan(3)
    bench.end(bench.start([0, 1]), [outcome(0, 0.5), outcome(1, math.nan)])
    table = bench.get(TRIALS, view="table")
    assert {len(column) for column in table["columns"].values()} == {3}
    assert table["columns"]["number"] == [0, 1, 2]
    assert table["columns"]["objective"] == [0.5, None, None]
    assert table["columns"]["weights.parity.crossentropy"] == [0.25, 1.25, 2.25]
    assert table["columns"]["validation.digit.crossentropy"] == [0.5, 1.5, None]
    assert table["not_finite"]["objective"] == {"1": "nan"}


def test_an_empty_table_has_the_same_columns(bench: Bench) -> None:
    bench.submit()
    empty = bench.get(TRIALS, view="table")["columns"]
    bench.plan(1)
    assert list(bench.get(TRIALS, view="table")["columns"]) == list(empty)
    assert all(column == [] for column in empty.values())


def test_one_trial_comes_with_its_epochs(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    trial = bench.get(f"{TRIALS}/0")
    epochs = trial.pop("intermediate_values")
    assert trial == bench.get(TRIALS)["trials"][0]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2]
    assert epochs[1] == {
        "epoch": 1,
        "train": {"digit.crossentropy": 1.5, "parity.crossentropy": 0.25, "agreement": 0.125},
        "validation": {"digit.crossentropy": 1.5, "parity.crossentropy": 0.25, "agreement": 0.125, DIGIT: 0.25},
        "seconds": 0.5,
        "weights": {},
        "not_finite": {},
    }


def test_a_trial_in_training_shows_the_epochs_so_far(bench: Bench) -> None:
    bench.submit()
    bench.plan(1)
    bench.report(bench.start(), [0], last=1)
    trial = bench.get(f"{TRIALS}/0")
    assert (trial["state"], trial["epochs"], len(trial["intermediate_values"])) == ("RUNNING", 1, 2)


def test_an_unchanged_trial_is_304(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    tag = bench.client.get(f"{TRIALS}/0").headers["etag"]
    assert bench.client.get(f"{TRIALS}/0", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("number", ["1", "2147483647"])
def test_a_trial_that_is_not_there_is_404(bench: Bench, number: str) -> None:
    bench.submit()
    bench.plan(1)
    problem(bench.client.get(f"{TRIALS}/{number}"), 404, "trial-not-found")


@on_sqlite
@pytest.mark.parametrize("number", ["-1", "x", "1.0", "99999999999999999999", "٣", "%00"])
def test_what_is_no_trial_number_is_422(bench: Bench, number: str) -> None:
    bench.submit()
    body = problem(bench.client.get(f"{TRIALS}/{number}"), 422, "bad-parameter")
    assert body["errors"][0]["path"] == "path.number"


# Numbers that the rows do not define


def undefined(bench: Bench) -> None:
    """Train two trials, the second with an accuracy that is undefined from its first epoch on."""
    bench.submit()
    bench.plan(2)
    token = bench.start()
    with bench.database.writing() as session:
        now = bench.database.now(session)
        lease = find_lease(session, token)
        assert lease is not None
        for number, accuracy in ((0, 0.5), (1, UNDEFINED)):
            epochs.record_epoch(session, token, lease.cohort_id or 0, {number: (1, {}, {DIGIT: accuracy}, 0.5)}, now)
    lost = {DIGIT: UNDEFINED, "parity.binary_accuracy": 0.5}
    bench.end(token, [outcome(0, 0.5), outcome(1, math.nan, values=lost, measured={Moment.LAST: Measured(validation=lost)})])


def test_an_undefined_number_is_null_and_called_undefined(bench: Bench) -> None:
    undefined(bench)
    trial = bench.get(f"{TRIALS}/1")
    assert trial["objective"]["values"] == trial["metrics"]["validation"] == {DIGIT: None, "parity.binary_accuracy": 0.5}
    assert trial["not_finite"] == {
        "objective.value": "nan",
        "by_seed.0": "nan",
        f"objective.values.{DIGIT}": "undefined",
        f"metrics.validation.{DIGIT}": "undefined",
    }
    assert trial["intermediate_values"][0]["validation"] == {DIGIT: None}
    assert trial["intermediate_values"][0]["not_finite"] == {f"validation.{DIGIT}": "undefined"}


def test_an_undefined_number_is_so_in_columns_and_curves(bench: Bench) -> None:
    undefined(bench)
    table = bench.get(TRIALS, view="table")
    assert table["columns"][f"validation.{DIGIT}"] == [0.5, None]
    assert table["not_finite"] == {"objective": {"1": "nan"}, f"validation.{DIGIT}": {"1": "undefined"}}
    shown = bench.get(f"/v1/studies/{NAME}/curves", trials="0,1", terms=DIGIT)["curves"]
    assert [curve["not_finite"] for curve in shown] == [{}, {DIGIT: {"0": "undefined"}}]


def test_an_undefined_number_is_so_in_exports(bench: Bench) -> None:
    undefined(bench)
    export = f"/v1/studies/{NAME}/export"
    assert json.loads(bench.client.get(export).text.splitlines()[1]) == bench.get(TRIALS)["trials"][1]
    rows = list(csv.DictReader(io.StringIO(bench.client.get(export, params={"format": "csv"}).text)))
    assert [row[f"validation.{DIGIT}"] for row in rows] == ["0.5", "undefined"]


@pytest.mark.parametrize("order", [DIGIT, f"-{DIGIT}"])
def test_an_undefined_number_comes_last_both_ways(bench: Bench, order: str) -> None:
    undefined(bench)
    assert walk(bench, order_by=order) == [0, 1]
