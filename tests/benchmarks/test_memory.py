"""How growth of memory is read off its samples."""

from __future__ import annotations

import pytest

from benchmarks.memory import Sample, growth


def test_growth_is_that_of_the_line_through_the_last_quarter() -> None:
    samples = [Sample(trial, child=1000 + 10 * max(0, trial - 75), worker=500, pid=1) for trial in range(101)]

    assert growth(samples, "child") == pytest.approx(0.25)
    assert growth(samples, "worker") == pytest.approx(0.0)


def test_what_grew_before_the_last_quarter_does_not_count() -> None:
    samples = [Sample(trial, child=1000 + 10 * min(trial, 75), worker=500, pid=1) for trial in range(101)]

    assert growth(samples, "child") == pytest.approx(0.0)
