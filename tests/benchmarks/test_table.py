"""What a benchmark prints and keeps."""

from __future__ import annotations

import json

import pytest

from benchmarks.scale import _late
from benchmarks.table import quicker, timed_table
from benchmarks.turns import Measured, Row, Way, in_turn

SCRIPT = Row("script", 2, (6.0, 4.0, 5.0))
SERVICE = Row("service", 10, (2.0, 1.0, 3.0), ({"how": "serial"}, {"how": "stacked"}, {"how": "stacked"}))


def test_a_row_is_judged_by_the_median_of_its_runs() -> None:
    assert SCRIPT.median == 5.0
    assert SCRIPT.seconds_a_trial == 2.5


def test_a_ratio_compares_trials_per_second_whatever_their_number() -> None:
    ratio = quicker(SERVICE, than=SCRIPT)

    assert ratio.value == pytest.approx(2.5 / 0.2)
    assert ratio.text == "service: 12.50x the trials per second of script"


def test_a_table_shows_every_run_its_median_and_all_that_was_chosen() -> None:
    text = str(timed_table("name", "caption", [SCRIPT, SERVICE], [quicker(SERVICE, than=SCRIPT)]))

    assert "| service | 10     | 2.00 1.00 3.00      | 2.00   | 0.2000    | 5.00     | serial / stacked |" in text
    assert text.rstrip().endswith("- service: 12.50x the trials per second of script")


def test_a_document_has_the_runs_and_the_machine_and_is_json() -> None:
    document = json.loads(json.dumps(timed_table("name", "caption", [SCRIPT], []).document()))

    assert document["record"][0]["seconds"] == [6.0, 4.0, 5.0]
    assert document["machine"]["packages"]["keras"]


def test_ways_are_measured_in_turn() -> None:
    order: list[tuple[str, int]] = []

    def way(name: str) -> Way:
        def measure(run: int) -> Measured:
            order.append((name, run))
            return Measured(1.0 + run)

        return Way(name, 1, measure)

    rows = in_turn([way("a"), way("b")], runs=2)

    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert [row.seconds for row in rows] == [(1.0, 2.0), (1.0, 2.0)]


def test_the_95th_percentile_of_few_calls_is_the_greatest() -> None:
    assert _late([3.0, 1.0, 2.0]) == 3.0
    assert _late([float(each) for each in range(100)]) == 95.0
