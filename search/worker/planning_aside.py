"""Planning in a thread of its own, while the lease of what trains is kept: a sampler may think for longer than a lease lasts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

KEEP_SECONDS = 0.2
"""How often a lease is seen to while its study's next trials are planned."""

MOST_STUDIES = 64
"""Studies of which it is known how long their planning took."""


class PlanningAside:
    """Plans aside from training, which nobody hears meanwhile: so not for a study that took longer than `patience_seconds` before.

    `clock`: this process's monotonic time.
    """

    def __init__(self, patience_seconds: float, clock: Callable[[], float]) -> None:
        self._patience_seconds, self._clock = patience_seconds, clock
        self._took: dict[int, float] = {}  # seconds, by study, the last time

    def is_slow(self, study: int) -> bool:
        """Return whether planning for a study took too long the last time."""
        return self._took.get(study, 0.0) > self._patience_seconds

    def do(self, study: int, work: Callable[[], T], keep: Callable[[], None]) -> Future[T]:
        """Do a study's planning, and call `keep` until it is done. Where that raises, the work goes on unheard."""
        began, done = self._clock(), None
        try:
            done = _while_keeping(work, keep)
        finally:
            if done is None or done.exception() is None:  # a database that was away says nothing of a sampler
                self._took.pop(study, None)  # the latest last
                self._took[study] = self._clock() - began
                while len(self._took) > MOST_STUDIES:
                    self._took.pop(next(iter(self._took)))
        return done

    def unless_slow(self, study: int, work: Callable[[], T], keep: Callable[[], None]) -> T | None:
        """Return what a study's planning gives; None where it took too long the last time. Raises what it raises, and `keep`."""
        return None if self.is_slow(study) else self.do(study, work, keep).result()


def _while_keeping(work: Callable[[], T], keep: Callable[[], None]) -> Future[T]:
    done: Future[T] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # whatever ends this thread: the one that waits must hear of it
            done.set_exception(error)

    Thread(target=do, name="planning", daemon=True).start()
    while not wait([done], KEEP_SECONDS).done:
        keep()
    return done
