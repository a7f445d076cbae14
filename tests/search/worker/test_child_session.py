"""How long a child is waited for that is to drop its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from search.training.child.protocol import CancelSettings, CohortTrained, TrainCohort
from search.worker.child_session import ChildSession
from search.worker.progress_deadlines import ProgressDeadlines
from tests.search.definitions import define, flagship


class Busy:
    """A child that notices a cancel after so many seconds, by a clock that moves while somebody listens."""

    threads, pid = 1, 0

    def __init__(self, notices: float) -> None:
        self.now, self._notices = 0.0, notices
        self.orders: list[Any] = []

    def send(self, order: Any) -> None:
        self.orders.append(order)

    def messages(self, seconds: float) -> Iterator[Any]:
        self.now += seconds
        if self.now >= self._notices:
            yield CohortTrained(1.0)

    def end(self) -> None: ...


@pytest.mark.parametrize(
    ("slowest", "notices", "dropped"),
    [
        (0.1, 4.0, True),
        (0.1, 6.0, False),  # quick calls: five seconds
        (4.0, 7.0, True),
        (4.0, 9.0, False),  # twice the slowest
        (None, 14.0, True),  # nobody knows
        (None, 16.0, False),
        (60.0, 16.0, False),  # never longer than it may
    ],
)
def test_a_child_has_as_long_to_drop_its_order_as_its_calls_take(slowest: float | None, notices: float, dropped: bool) -> None:
    child, deadlines = Busy(notices), ProgressDeadlines(600.0)
    if slowest is not None:
        deadlines.learn(1, slowest)
    session = ChildSession(child, deadlines, lambda: child.now)
    session.order(TrainCohort(1, "vectorized", 4, []), define(flagship()))
    assert session.cancel(lambda: False, 15.0) is dropped
    assert child.orders[-1] == CancelSettings()
