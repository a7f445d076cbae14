"""What a worker has under way, as its loop sees it."""

from __future__ import annotations

from typing import Protocol

from search.training.child.protocol import Answer, CancelSettings, GoOn, PrepareStudy, TrainAlso, TrainCohort


class ClaimedRun(Protocol):
    """Claimed work under way, a preflight or a cohort: its order, what came back, and what of it is stored."""

    def order(self) -> PrepareStudy | TrainCohort: ...

    def hear(self, answer: Answer) -> None: ...

    @property
    def done(self) -> bool: ...

    @property
    def waiting(self) -> bool: ...  # the child waits for `reply`

    def reply(self) -> GoOn | TrainAlso | CancelSettings | None: ...

    @property
    def plan_next(self) -> bool: ...  # what follows can be planned while it goes on

    def record(self) -> bool: ...  # False where the database is away

    @property
    def traces(self) -> int: ...

    @property
    def failed(self) -> bool: ...  # the user's code, or ours, raised
