"""Training processes lost one after another: how long to wait before the next, and when an order is charged for it."""

from __future__ import annotations

MOST_PAUSE_SECONDS = 30.0
MOST_UNREAD = 3
"""So many children in a row that die on reading the same study's order are an accident; from here on the order is charged."""


class ChildLosses:
    """Counts the children that a worker lost without having worked since, and those lost on reading a study's order."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause_seconds = pause_seconds
        self._idle = 0
        self._unread: dict[int, int] = {}

    def pause_after_one(self) -> float:
        """Count a child that was lost before it worked; return how long to wait, in seconds: twice as long each time."""
        self._idle += 1
        return float(min(self._pause_seconds * 2**self._idle, MOST_PAUSE_SECONDS))

    def unread(self, study: int) -> int:
        """Count a child that was lost on reading an order of the study; return how many in a row there were."""
        self._unread[study] = self._unread.get(study, 0) + 1
        return self._unread[study]

    def taken(self, study: int) -> None:
        """Note that a child has begun with an order of the study."""
        self._unread.pop(study, None)

    def worked(self, study: int) -> None:
        """Note that an order of the study was done to its end."""
        self._idle = 0
        self.taken(study)
