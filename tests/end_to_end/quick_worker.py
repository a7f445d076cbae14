"""A real worker whose training process is `quick_child`, and which may end itself where a test says: `quick_worker URL [FAULT]`.

The faults are installed from here: the service's own code knows nothing of them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.training.child.protocol import TrainCohort
from search.worker import child_process, work_loop
from search.worker.child_session import ChildSession
from search.worker.cohort_run import CohortRun
from search.worker.work_loop import WorkLoop
from search.worker.worker import Worker, WorkerSettings, stop_on_signals
from storage import leases
from storage.database import Database, Session

LEASE_SECONDS = 3.0
PROGRESS_SECONDS = 2.0


def die(*_: Any, **__: Any) -> Any:
    """End this process as a kill from outside does."""
    os.kill(os.getpid(), signal.SIGKILL)


def after_claim() -> None:
    carry_out = WorkLoop.carry_out
    WorkLoop.carry_out = lambda self, work: carry_out(self, work) if work.cohort is None else die()  # type: ignore[method-assign]


def after_start() -> None:
    order = ChildSession.order

    def ordered(self: ChildSession, sent: Any, definition: Any) -> None:
        order(self, sent, definition)
        if isinstance(sent, TrainCohort):
            die()

    ChildSession.order = ordered  # type: ignore[method-assign]


def _at_the_end(before: Callable[[], Any], after: Callable[[], Any]) -> None:
    record = CohortRun.record

    def recorded(self: CohortRun) -> bool:
        if self.done:
            before()
        found = record(self)
        if self.done and found:
            after()
        return found

    CohortRun.record = recorded  # type: ignore[method-assign]


def before_commit() -> None:
    _at_the_end(die, lambda: None)


def within_commit() -> None:
    """All is written, and the transaction is not yet at its end."""
    complete = leases.complete

    def completed(*arguments: Any) -> None:
        complete(*arguments)
        die()

    _at_the_end(lambda: setattr(leases, "complete", completed), lambda: None)


def after_commit() -> None:
    _at_the_end(lambda: None, die)


def stuck() -> None:
    """The lease is never given back, as where a database is away."""
    leases.release = lambda *_, **__: time.sleep(3600)  # type: ignore[assignment]


def full_disk() -> None:
    """SQLite's file may not grow as long as there is a file `full` in the folder STEELYARD_DATA."""
    writing, full = Database.writing, Path(os.environ["STEELYARD_DATA"]) / "full"

    @contextmanager
    def bounded(self: Database) -> Iterator[Session]:
        with writing(self) as session:
            driver = session.connection().exec_driver_sql
            pages = driver("PRAGMA page_count").scalar_one() if full.exists() else 1 << 30
            driver(f"PRAGMA max_page_count = {pages}").close()
            yield session

    Database.writing = bounded  # type: ignore[method-assign]


KILLS = (after_claim, after_start, before_commit, within_commit, after_commit)
FAULTS = {fault.__name__: fault for fault in (*KILLS, stuck, full_disk)}


def main(url: str, *faults: str) -> int:
    """Run the worker until it is stopped, or ends itself."""
    child_process.RUNNER = "tests.end_to_end.quick_child"
    work_loop.load = lambda: None  # nothing here is worth analysing ahead of time
    for fault in faults:
        FAULTS[fault]()
    settings = WorkerSettings(
        url, lease_seconds=LEASE_SECONDS, poll_seconds=0.05, beat_seconds=0.5, progress_seconds=PROGRESS_SECONDS
    )
    worker = Worker(settings)
    stop_on_signals(worker)
    return worker.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
