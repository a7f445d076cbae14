"""Time spent at something, by one thread or by several at once."""

from __future__ import annotations

from threading import Lock
from time import perf_counter


class BusyTime:
    """The seconds within its `with` blocks, or from `begin` to `end`. Where threads are within at the same time, it counts once."""

    def __init__(self) -> None:
        self._spent, self._began, self._within = 0.0, 0.0, 0
        self._changing = Lock()

    def begin(self) -> None:
        """Count from here, until as many have ended as have begun."""
        with self._changing:
            if not self._within:
                self._began = perf_counter()
            self._within += 1

    def end(self) -> None:
        """End what `begin` began."""
        with self._changing:
            self._within -= 1
            if not self._within:
                self._spent += perf_counter() - self._began

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def seconds(self) -> float:
        """How many seconds so far, those under way with them."""
        with self._changing:
            return self._spent + (perf_counter() - self._began if self._within else 0.0)
