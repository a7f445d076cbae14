"""A cohort's report, taken apart by setting."""

from __future__ import annotations

import math

from search.training.interface import EpochReport
from storage.records import UNDEFINED, Measured


def test_a_report_has_the_numbers_of_each_setting() -> None:
    report = EpochReport(2, [3, 7], 0.5, {"a.x": [1.0, 2.0]}, {"a.m": [5.0, math.inf]}, {"a.m": [UNDEFINED, 8.0]})
    assert report.measured() == {
        3: Measured({"a.x": 1.0}, {"a.m": 5.0}, {"a.m": UNDEFINED}),
        7: Measured({"a.x": 2.0}, {"a.m": math.inf}, {"a.m": 8.0}),
    }
    assert report.measured()[3].test["a.m"] is UNDEFINED


def test_weights_are_those_of_settings_whose_weights_move() -> None:
    report = EpochReport(2, [3, 7], 0.5, {}, {}, weights={"a.x": [1.0, 2.0], "b": [0.0, 4.0]})
    assert report.weights_in_force() == {3: {"a.x": 1.0, "b": 0.0}, 7: {"a.x": 2.0, "b": 4.0}}
    assert EpochReport(2, [3, 7], 0.5, {}, {}).weights_in_force() == {3: {}, 7: {}}
