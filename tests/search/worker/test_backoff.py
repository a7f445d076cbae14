"""How long a worker leaves a database alone that does not answer."""

from __future__ import annotations

import pytest

from search.worker.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(0.2, 2.0, chance=lambda: 1.0)
    assert [backoff.failed() for _ in range(6)] == pytest.approx([0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


def test_chance_shortens_a_pause_by_half_at_most() -> None:
    chances = iter((0.0, 0.5, 1.0))
    backoff = Backoff(1.0, 1.0, chance=lambda: next(chances))
    assert [backoff.failed() for _ in range(3)] == [0.5, 0.75, 1.0]


def test_success_begins_anew() -> None:
    backoff = Backoff(1.0, chance=lambda: 1.0)
    backoff.failed()
    backoff.failed()
    backoff.worked()
    assert backoff.failed() == 1.0


def test_a_thousand_failures_are_no_overflow() -> None:
    backoff = Backoff(0.2, 10.0, chance=lambda: 1.0)
    assert [backoff.failed() for _ in range(2000)][-1] == 10.0
