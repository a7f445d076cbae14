"""Which values are as good as the winner's, by curves written down by hand."""

from __future__ import annotations

import numpy as np
import pytest

from search.analysis.profiles import Finding, findings, supported, without_slivers

GOOD, WORSE, OPEN = Finding.AS_GOOD, Finding.WORSE, Finding.TOO_FEW


def curves(*shares: float, count: int = 100) -> np.ndarray:
    """Return curves that are 0 at each value in so great a share of them, the first ones, and -1 in the others."""
    rows = np.arange(count)[:, None]
    return np.where(rows < np.array(shares)[None] * count, 0.0, -1.0)


def test_a_value_is_as_good_in_95_of_100_curves_and_worse_in_5() -> None:
    found = findings(curves(1.0, 0.95, 0.94, 0.06, 0.05, 0.0), 0, 0.5, run=False)
    assert found == [GOOD, GOOD, OPEN, OPEN, WORSE, WORSE]


def test_all_values_hold_together() -> None:
    """Each is good in 97 of 100 curves, but the two never fail in the same: both are good in 94."""
    both = curves(1.0, 1.0, 1.0)
    both[:3, 1], both[3:6, 2] = -1.0, -1.0
    assert findings(both, 0, 0.5, run=False) == [GOOD, GOOD, OPEN]


def test_a_range_ends_at_the_first_gap() -> None:
    shares = curves(1.0, 0.5, 1.0, 1.0, 0.0, 1.0)
    assert findings(shares, 2, 0.5, run=True) == [OPEN, OPEN, GOOD, GOOD, WORSE, OPEN]


@pytest.mark.parametrize(("delta", "answer"), [(0.5, WORSE), (1.0, GOOD)])
def test_what_costs_delta_is_as_good(delta: float, answer: Finding) -> None:
    assert findings(curves(1.0, 0.0), 0, delta, run=True) == [GOOD, answer]


def test_the_winners_own_value_is_as_good_though_nothing_is_known() -> None:
    drawn = np.random.default_rng(0).normal(size=(200, 5))
    assert findings(drawn, 3, 0.01, run=True)[3] is GOOD


def test_a_few_worse_values_between_unknown_ones_are_not_told() -> None:
    long, short = [OPEN, *[WORSE] * 5, GOOD], [OPEN, *[WORSE] * 4, GOOD]
    assert without_slivers(long) == long
    assert without_slivers(short) == [*[OPEN] * 5, GOOD]
    assert without_slivers([WORSE, GOOD, WORSE, WORSE]) == [OPEN, GOOD, WORSE, WORSE]


def test_what_breaks_a_constraint_is_worse_whatever_it_is_worth() -> None:
    shares = curves(1.0, 1.0, 1.0)
    assert findings(shares, 0, 0.5, run=True, keeps=np.array([[True, True, False]] * len(shares))) == [GOOD, GOOD, WORSE]


AT = np.linspace(0.0, 1.0, 6)


def test_worse_begins_where_something_was_trained() -> None:
    answers = [GOOD, GOOD, WORSE, WORSE, WORSE, WORSE]
    assert supported(answers, AT, np.array([0.1, 0.7])) == [GOOD, GOOD, OPEN, OPEN, WORSE, WORSE]


def test_a_hole_between_good_values_is_worse_between_trainings() -> None:
    answers = [GOOD, WORSE, WORSE, WORSE, WORSE, OPEN]
    assert supported(answers, AT, np.array([0.0, 0.39, 0.61, 1.0])) == [GOOD, OPEN, WORSE, WORSE, OPEN, OPEN]


def test_nothing_is_worse_where_nothing_was_trained() -> None:
    answers = [GOOD, GOOD, GOOD, OPEN, WORSE, WORSE]
    assert supported(answers, AT, np.array([0.1, 0.3])) == [GOOD, GOOD, GOOD, OPEN, OPEN, OPEN]
