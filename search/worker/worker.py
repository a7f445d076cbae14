"""The worker: claims cohorts, has them trained by its child, and records what comes back. All SQL of a training happens here.

It never imports TensorFlow. It may be killed at any time: what it held is requeued when its lease expires, and every write it makes
carries the lease's token, so nothing that it says late is stored.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog

from search.planning.initial_values import unfit
from search.validation import normalize
from search.worker.analyses import load, work_out
from search.worker.child_process import Child, ChildLost, Message
from search.worker.claim import Analysis, Claim, Claimant, claim
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from search.worker.workload_descriptions import Descriptions
from search.workloads import registry
from storage import answers, leases, lifecycle, studies, workers
from storage.database import Database
from storage.errors import LeaseLost, StorageBusy, StorageUnavailable
from storage.migrations import require_current
from storage.records import Reason, StudyState

log = structlog.get_logger("steelyard.worker")

CANCEL_SECONDS = 5.0
MOST_PAUSE_SECONDS = 30.0
ANSWERS = ("trained", "prepared", "refused")
"""What ends an order."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker behaves. All durations in seconds.

    `lease_seconds`: how long the cohort of a dead worker waits for another. `progress_seconds`: how long a training may be silent
    before it counts as hung. `until_idle_seconds`: end after so long without work (None: never). `max_traces`: how many graphs a
    child traces before another takes its place, since each keeps some 10 MB for good.
    """

    database_url: str
    name: str = ""
    lease_seconds: float = 45.0
    poll_seconds: float = 0.2
    beat_seconds: float = 10.0
    progress_seconds: float = 600.0
    until_idle_seconds: float | None = None
    max_traces: int = 40


class Stopped(Exception):
    """The worker was asked to stop."""


class ChildSilent(ChildLost):
    """The training said nothing for too long."""


class Worker:
    """One worker process: `run` works until it is stopped, or idle for long enough."""

    def __init__(self, settings: WorkerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._database = Database(settings.database_url)
        self._name = settings.name or f"{socket.gethostname()}-{os.getpid()}"
        self._child: Child | None = None
        self._descriptions = Descriptions(self._database)
        self._losses = 0  # children lost since work was last done
        self._ordered = False  # the child is busy with an order of ours
        self._taken = False  # and has begun with it
        self._stopping = False
        self._beat_at = self._worked_at = self._started_at = clock()
        self._claimant: Claimant

    def run(self) -> int:
        """Work until stopped or idle; return an exit code. Any thread will do; the training process dies with it."""
        require_current(self._database)
        try:
            self._register()
            while not self._stopping and not self._idle_for_long():
                self._step()
        except Stopped:
            log.info("worker stops", worker=self._name)
        finally:
            self._close()
        return 0

    def stop(self) -> None:
        """Have `run` return soon, from any thread: what is in training goes back to wait for another worker."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Tell whether the worker was asked to stop."""
        return self._stopping

    def _register(self) -> None:
        with self._database.writing() as session:
            now = self._database.now(session)
            record = workers.register(
                session,
                name=self._name,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=version("steelyard"),
                workloads=registry.names(),
                now=now,
            )
        self._claimant = Claimant(record.id, self._name, registry.names(), self._settings.lease_seconds)
        log.info("worker started", worker=self._name, workloads=list(registry.names()))

    def _step(self) -> None:
        """Do one round: beat, then work if there is any, else wait a little."""
        try:
            self._beat("idle")
            self._descriptions.publish()
            child = self._warm_child()
            load()  # now, while the first child loads TensorFlow, and not when a study waits for its end
            self._hear_idle(child, 0.0)  # a dead child is found before it is given work
            work = claim(self._database, self._claimant) if self._descriptions.settled else None
            if work is None:
                self._listen_idle(child)
            elif isinstance(work, Analysis):
                work_out(self._database, work)
            else:
                self._do(work)
                self._worked_at = self._clock()
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))
            time.sleep(self._settings.poll_seconds)
        except (ChildLost, OSError) as error:  # OSError: it could not even be started
            self._lose_child(str(error))

    def _child_for(self, work: Claim) -> Child:
        """Return the child with the threads that the study was prepared for; any may prepare one."""
        return self._warm_child(work.study.threads)

    def _listen_idle(self, child: Child) -> None:
        """Wait a little for work, and hear what the child says meanwhile. Raises ChildLost."""
        self._hear_idle(child, self._settings.poll_seconds)
        if not self._descriptions.settled and self._clock() - self._started_at > self._settings.progress_seconds:
            raise ChildSilent(f"described no workloads within {self._settings.progress_seconds:g} s")

    def _hear_idle(self, child: Child, seconds: float) -> None:
        for message in child.messages(seconds):
            self._descriptions.hear(message)

    def _lose_child(self, why: str) -> None:
        """Let go of a child that died without an order, and wait the longer the more of them do."""
        log.error("child lost while idle", worker=self._name, reason=why)
        self._end_child()
        self._descriptions.lost(why)
        self._losses += 1
        time.sleep(min(self._settings.poll_seconds * 2**self._losses, MOST_PAUSE_SECONDS))

    def _idle_for_long(self) -> bool:
        limit = self._settings.until_idle_seconds
        return limit is not None and self._descriptions.settled and self._clock() - self._worked_at >= limit

    def _beat(self, state: str) -> None:
        if self._clock() - self._beat_at < self._settings.beat_seconds:
            return
        self._beat_at = self._clock()
        with self._database.writing() as session:
            now = self._database.now(session)
            workers.heartbeat(session, self._claimant.worker_id, state, now)
            leases.reap(session, now)
            lifecycle.settle_stopping(session, now)

    def _warm_child(self, threads: int | None = None) -> Child:
        """Return the child, started if there is none, or none of so many threads; a new one may be asked to describe workloads."""
        if self._child is not None and threads not in (None, self._child.threads):
            log.info("child replaced", worker=self._name, threads=threads)
            self._end_child()
        if self._child is None:
            self._child = Child(threads or 1)
            self._started_at = self._clock()
            self._descriptions.ask(self._child)
        return self._child

    def _do(self, work: Claim) -> None:
        """Do the claimed work, and give the lease back whatever happens to it."""
        holding = Holding(self._database, work.lease, self._settings.lease_seconds, self._clock)
        self._taken = False
        try:
            child = self._child_for(work)
            if work.cohort is None:
                self._prepare(child, work, holding)
            else:
                self._train(child, work, holding)
            self._losses = 0
        except LeaseLost:
            log.warning("lease lost", token=holding.token, study=work.study.name)
            self._cancel_training()
        except Stopped:
            self._end_child()
            self._release(holding, charge=False, reason=Reason("worker_stopped", f"worker {self._name} was stopped"))
            raise
        except (ChildLost, OSError) as lost:
            log.error("child lost", worker=self._name, study=work.study.name, reason=str(lost))
            began = self._taken
            self._end_child()
            self._release(holding, charge=began, reason=Reason("child_lost", str(lost)))
            if not began:
                self._lose_child(str(lost))
            elif isinstance(lost, ChildLost) and lost.killed and len(work.trials) > 1:
                self._halve_cohorts(work)
        except (
            Exception
        ) as error:  # whatever it is, the study is charged, and the child must not answer the next order with this one
            log.exception("work failed", worker=self._name, study=work.study.name)
            self._end_child()
            self._release(holding, charge=True, reason=Reason("internal_error", f"{type(error).__name__}: {error}"))

    def _halve_cohorts(self, work: Claim) -> None:
        """Plan smaller cohorts from now on: the kernel kills the largest process when memory runs out."""
        try:
            with self._database.writing() as session:
                studies.limit_cohorts(session, work.study.id, len(work.trials) // 2, self._database.now(session))
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))

    def _release(self, holding: Holding, *, charge: bool, reason: Reason) -> None:
        try:
            with self._database.writing() as session:
                leases.release(session, holding.token, charge=charge, now=self._database.now(session), reason=reason)
        except (LeaseLost, StorageBusy, StorageUnavailable) as error:
            log.warning("lease not released; it will expire", token=holding.token, error=str(error))

    def _prepare(self, child: Child, work: Claim, holding: Holding) -> None:
        """Have the study's model built and checked, and store what came of it."""
        heard: list[Message] = []
        order = {"do": "prepare", "study": work.study.id, "definition": normalize.shown(work.definition)}
        self._converse(
            child, order, holding, hear=heard.append, done=lambda: any(m["is"] in ("prepared", "refused") for m in heard)
        )
        answer = next(message for message in heard if message["is"] in ("prepared", "refused"))
        initial = answer.get("initial") or {}
        refusal = Reason(**answer["reason"]) if answer["is"] == "refused" else unfit(work.definition, initial)

        def write(session: Any) -> None:
            now = self._database.now(session)
            leases.complete(session, holding.token, now)  # first: a study that was cancelled meanwhile is no longer ours
            if refusal is None:
                answers.keep_initial_values(session, work.study.id, initial)
                studies.prepared(
                    session,
                    work.study.id,
                    cohort_size=answer["cohort_size"],
                    engine=answer["engine"],
                    threads=answer["threads"],
                    why=answer["why"],
                    warnings=answer["warnings"],
                    now=now,
                )
            else:
                studies.end_study(session, work.study.id, StudyState.FAILED, refusal, now)

        self._until_written(holding, lambda: holding.finish(write))
        self._recycle(answer.get("traces", 0), faulty=answer["is"] == "refused")

    def _recycle(self, traces: int, *, faulty: bool) -> None:
        """Let go of a child that has traced enough, or that has met a fault: it would not see what its user mends."""
        if faulty or traces >= self._settings.max_traces:
            log.info("child replaced", worker=self._name, traces=traces, faulty=faulty)
            self._end_child()

    def _train(self, child: Child, work: Claim, holding: Holding) -> None:
        """Have the cohort trained, storing what comes as it comes."""
        run = CohortRun(self._database, work, holding)
        self._converse(
            child,
            run.order(),
            holding,
            hear=run.hear,
            done=lambda: run.trained,
            record=run.record,
            asked=lambda: run.asked,
            answer=run.answer,
        )
        self._until_written(holding, lambda: run.recorded or run.record())
        self._recycle(run.traces, faulty=run.failed)

    def _converse(
        self,
        child: Child,
        order: Message,
        holding: Holding,
        *,
        hear: Callable[[Message], None],
        done: Callable[[], bool],
        record: Callable[[], object] = lambda: None,
        asked: Callable[[], bool] = lambda: False,
        answer: Callable[[], Message | None] = lambda: None,
    ) -> None:
        """Give an order and listen until it is done, keeping the lease meanwhile; `answer` what the child has `asked`, if anything.

        Raises ChildLost (dead, or silent for too long), LeaseLost, Stopped.
        """
        child.send(order)
        self._ordered = True
        heard_at = self._clock()
        while not done():
            if self._stopping:
                raise Stopped
            try:
                for message in child.messages(self._settings.poll_seconds):
                    heard_at = self._clock()
                    self._taken |= message["is"] == "taken"
                    self._ordered &= message["is"] not in ANSWERS
                    self._descriptions.hear(message)
                    hear(message)
            except ChildLost:
                record()  # what had ended before is not to be trained again
                raise
            if asked():  # the child waits for us, not we for it
                heard_at = self._clock()
            if self._clock() - heard_at > self._settings.progress_seconds:
                raise ChildSilent(f"the training said nothing for {self._settings.progress_seconds:g} s")
            record()
            if (told := answer()) is not None:
                child.send(told)
            holding.keep()
            self._beat_patiently()

    def _beat_patiently(self) -> None:
        try:
            self._beat("busy")
            self._descriptions.publish()
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))

    def _until_written(self, holding: Holding, write: Callable[[], object]) -> None:
        """Try a write until the database takes it. Raises LeaseLost where it was away for too long."""
        while not write():
            if self._stopping:
                raise Stopped
            time.sleep(self._settings.poll_seconds)

    def _cancel_training(self) -> None:
        """Have the child drop what it does, if it does anything; end it where it does not in time."""
        if not self._ordered or self._child is None:
            return
        try:
            self._child.send({"do": "cancel", "numbers": None})
            deadline = self._clock() + CANCEL_SECONDS
            while self._ordered and (left := deadline - self._clock()) > 0 and not self._stopping:
                for message in self._child.messages(min(left, 0.2)):
                    self._descriptions.hear(message)
                    self._ordered &= message["is"] not in ANSWERS
        except ChildLost:
            pass
        if self._ordered:
            self._end_child()

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
        self._child, self._ordered = None, False

    def _close(self) -> None:
        self._end_child()
        try:
            with self._database.writing() as session:
                workers.deregister(session, self._claimant.worker_id, self._database.now(session))
        except (AttributeError, StorageBusy, StorageUnavailable) as error:
            log.warning("worker not deregistered", error=str(error))
        self._database.close()


def stop_on_signals(worker: Worker) -> None:
    """Stop a worker on SIGTERM and SIGINT; asked twice, end this process at once. For a process of its own, in the main thread."""

    def stop(number: int, frame: object) -> None:
        if worker.stopping:
            os._exit(128 + number)
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
