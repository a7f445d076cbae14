"""What a worker does round by round: beat, look for work, have its child do it, and give the lease back whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from search.logs import logger
from search.training.child.protocol import BadMessage
from search.worker.analyses import load, work_out
from search.worker.backoff import Backoff
from search.worker.child_losses import MOST_UNREAD, ChildLosses
from search.worker.child_process import LOST, ChildLost
from search.worker.child_session import CANCEL_SECONDS, ChildPipe, ChildSession, ChildSilent
from search.worker.claim import Analysis, Claim, Claimant
from search.worker.claim_poll import ClaimPoll
from search.worker.claimed_run import ClaimedRun
from search.worker.cohort_run import CohortRun
from search.worker.heartbeat import Heartbeat
from search.worker.lease_keeper import RENEWALS_A_LEASE, Holding
from search.worker.next_cohort import NextCohort
from search.worker.planning_aside import PlanningAside
from search.worker.preflight_run import PreflightRun
from search.worker.progress_deadlines import ProgressDeadlines
from search.worker.registered_workloads import RegisteredWorkloads
from search.worker.settings import WorkerSettings
from search.worker.usage_meter import UsageMeter
from search.worker.workload_descriptions import Descriptions
from storage import cohort_sizes, leases
from storage.changes import Changes
from storage.database import Database
from storage.errors import LeaseLost, StorageBusy, StorageUnavailable
from storage.fleet_records import WorkerUsage
from storage.records import Reason

log = logger("steelyard.worker")

STOP_SECONDS = 0.2
"""How soon a worker that waits notices that it is to stop."""

LOOK_SECONDS = 0.02
"""How soon an idle worker notices that somebody has written to an SQLite file."""

CANCELS_A_LEASE = 3
"""A child that drops a cohort which it began in vain is waited for as long as this part of a lease."""


class Stopped(Exception):
    """The worker was asked to stop."""


class WorkLoop:
    """A registered worker at work.

    `start_child` starts a training process of so many threads. Once `stopping` returns true, the round under way ends with Stopped.
    `clock`: this process's monotonic time.
    """

    def __init__(
        self,
        database: Database,
        heartbeat: Heartbeat,
        claimant: Claimant,
        registered: RegisteredWorkloads,
        settings: WorkerSettings,
        start_child: Callable[[int], ChildPipe],
        stopping: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._database, self._heartbeat, self._settings = database, heartbeat, settings
        self._worker_id, self._name, self._registered = claimant.worker_id, claimant.name, registered
        self._start_child, self._stopping, self._clock = start_child, stopping, clock
        self._meter = UsageMeter()
        self._poll = ClaimPoll(database, claimant, lambda: heartbeat.beat("idle", self._usage, sweep=True), clock)
        self._descriptions = Descriptions(database, registered, clock)
        self._take_up(frozenset())
        self._losses = ChildLosses(settings.poll_seconds)
        self._deadlines = ProgressDeadlines(settings.progress_seconds)
        self._backoff = Backoff(settings.poll_seconds)
        self._session: ChildSession | None = None
        self._aside = PlanningAside(settings.lease_seconds / RENEWALS_A_LEASE, clock)
        self._next = NextCohort(database, self._aside)
        self._changes = Changes(database)
        self._worked_at = clock()

    def run(self) -> None:
        """Work until stopped, or idle for long enough; end the child then."""
        try:
            while not self._stopping() and not self._idle_for_long():
                self.step()
        except Stopped:
            log.info("worker stops", worker=self._name)
        finally:
            self.end_child()
            self._changes.close()

    def _idle_for_long(self) -> bool:
        limit = self._settings.until_idle_seconds
        return limit is not None and not self._descriptions.pressing and self._clock() - self._worked_at >= limit

    def step(self) -> None:
        """Do one round: beat, then work if there is any, else wait a little. Raises Stopped."""
        try:
            self._end_next()  # left over where the database went away before it was claimed
            self._heartbeat.beat("idle", self._usage)
            self._look()
            self._descriptions.publish(self._worker_id)
            if self._descriptions.pressing:
                self._stop_trying()
            session = self._describing_session()
            load()  # now, while the first child loads TensorFlow, and not when a study waits for its end
            self._listen_idle(session, 0.0)  # a dead child is found before it is given work
            work = None if self._descriptions.pressing else self._claim_next()
            self._backoff.worked()
            if work is None:
                self._descriptions.try_again(idle=True)
                self._listen_idle(session, self._settings.poll_seconds)
            while work is not None:
                self._do(work)
                work = None if self._next.sent is None else self._claim_next()
        except (StorageBusy, StorageUnavailable) as error:
            pause = self._backoff.failed()
            log.warning("database away", error=str(error), again_in_seconds=round(pause, 1))
            self._sleep(pause)
        except (ChildLost, BadMessage, OSError) as error:  # OSError: it could not even be started
            self._lose_idle_child(str(error), silent=isinstance(error, ChildSilent))

    def _usage(self) -> WorkerUsage:
        return self._meter.read(self._session)

    def _do(self, work: Claim | Analysis) -> None:
        if isinstance(work, Analysis):
            self._end_next()
            if not work_out(self._database, work):
                self._sleep(self._settings.poll_seconds)
        else:
            self._stop_trying()
            self.carry_out(work)
        self._worked_at = self._clock()

    def _claim_next(self) -> Claim | Analysis | None:
        """Return the next work. Raises StorageBusy, StorageUnavailable."""
        return self._poll.next(self._descriptions.runs, self._descriptions.failed, self._next.ahead)

    def _stop_trying(self) -> None:
        """End a child that describes what held up one before: something else is to be done."""
        if self._descriptions.put_off():
            self.end_child()

    def _look(self) -> None:
        """See whether workloads came, changed or went, and take that up."""
        if changed := self._registered.look():
            log.info("workloads changed", worker=self._name, workloads=sorted(changed))
            self._take_up(changed)
        self._descriptions.try_again()

    def _take_up(self, changed: frozenset[str]) -> None:
        self._descriptions.changed(changed)
        self._poll.claims(self._registered.names, self._registered.versions, self._registered.kept)

    def _describing_session(self) -> ChildSession:
        """Return a child's session that is asked for what is to be described, if anything is. Raises ChildLost, OSError."""
        session = self._warm_session()
        if not self._descriptions.ask(session):
            log.info("child replaced", worker=self._name, why="other versions of workloads")
            self.end_child()
            session = self._warm_session()
        return session

    def _listen_idle(self, session: ChildSession, seconds: float) -> None:
        """Hear what the child says without an order, for so long or until somebody writes to the database.

        Raises ChildLost, ChildSilent where it describes for too long, BadMessage.
        """
        until = self._clock() + seconds
        while True:
            for answer in session.listen(max(0.0, min(until - self._clock(), LOOK_SECONDS))):
                self._descriptions.hear(answer)
            if self._clock() >= until or self._changes.any():
                break
        if not self._descriptions.settled:
            session.require_heard()

    def _warm_session(self, threads: int | None = None) -> ChildSession:
        """Return the child's session, started if there is none, or none of so many threads. Raises ChildLost, OSError."""
        if self._session is not None and threads not in (None, self._session.threads):
            log.info("child replaced", worker=self._name, threads=threads)
            self.end_child()
        if self._session is None:
            child = self._start_child(threads or 1)
            self._session = ChildSession(child, self._deadlines, self._clock)
            self._descriptions.ask(self._session, new=True)
        return self._session

    def _session_for(self, work: Claim) -> ChildSession:
        """Return a child's session with the study's version of its workload. Raises ChildLost, OSError."""
        name, sources = work.study.workload, self._registered.sources(work.study.workload, work.workload_version)
        if self._session is not None and not self._session.fits(name, sources):
            log.info("child replaced", worker=self._name, why="another version of the workload", study=work.study.name)
            self.end_child()
        session = self._warm_session(work.study.threads)  # any child may prepare a study
        session.use(name, sources)
        return session

    def end_child(self) -> None:
        """End the training process, if there is one."""
        if self._session is not None:
            self._session.end()
        self._session = self._next.sent = None

    def _lose_idle_child(self, why: str, *, silent: bool = False) -> None:
        """End a child that was lost before it worked, and wait the longer the more of them are."""
        log.error("child lost while idle", worker=self._name, reason=why)
        ready = self._session is not None and self._session.ready
        self.end_child()
        self._descriptions.lost(why, ready=ready, silent=silent)
        self._sleep(self._losses.pause_after_one())

    def _sleep(self, seconds: float) -> None:
        """Wait so long, or until the worker is asked to stop."""
        while seconds > 0 and not self._stopping():
            time.sleep(min(seconds, STOP_SECONDS))
            seconds -= STOP_SECONDS

    # Claimed work

    def carry_out(self, work: Claim) -> None:
        """Do the claimed work, and give the lease back whatever happens to it. Raises Stopped."""
        holding = Holding(self._database, work.lease, self._settings.lease_seconds, self._clock)
        try:
            run = self._run_of(work, holding)
            if not (begun := self._next.claimed(work, run.order())):
                self._end_next(holding)
            before, session = self._session, self._session_for(work)
            if isinstance(run, PreflightRun):
                run.begin(session.threads)
            self._converse(session, run, work, holding, begun=begun and session is before)
            if isinstance(run, PreflightRun) and run.wanted is not None:
                self._warm_session(run.wanted)
                run.begin(None)
                self._converse(self._session_for(work), run, work, holding, begun=False)
            self._losses.worked(work.study.id)
        except LeaseLost:
            log.warning("lease lost", token=holding.token, study=work.study.name)
            if self._session is not None and not self._session.cancel(self._stopping):
                self.end_child()
            self._next.sent = None  # if the child had begun what was expected after this, that was cancelled
        except Stopped:
            self.end_child()
            self._release(holding, charge=False, reason=Reason("worker_stopped", f"worker {self._name} was stopped"))
            raise
        except (ChildLost, OSError) as lost:
            self._lose_child(work, holding, lost)
        except Exception as error:  # whatever it is, the study is charged, and the child must not go on answering this order
            log.exception("work failed", worker=self._name, study=work.study.name)
            self.end_child()
            self._release(holding, charge=True, reason=Reason("internal_error", f"{type(error).__name__}: {error}"))

    def _run_of(self, work: Claim, holding: Holding) -> ClaimedRun:
        if work.cohort is None:
            return PreflightRun(self._database, work, holding)
        study, keep = work.study.id, partial(self._keep, holding)
        return CohortRun(self._database, work, holding, lambda planning: self._aside.unless_slow(study, planning, keep))

    def _converse(self, session: ChildSession, run: ClaimedRun, work: Claim, holding: Holding, *, begun: bool) -> None:
        """Give the order and listen until it is done and stored, keeping the lease meanwhile. `begun`: the child has the order.

        Raises ChildLost (dead, or silent for too long), BadMessage, LeaseLost, Stopped.
        """
        if begun:
            session.waits_for_us()
        else:
            session.order(run.order(), work.definition)
        while True:
            self._listen(session, run)
            if run.done:
                break
            if run.waiting:
                session.waits_for_us()
            session.require_heard()
            if run.record() and run.plan_next and isinstance(run, CohortRun):
                self._next.plan(work, run, lambda: self._keep(holding))
            if (reply := run.reply()) is not None:
                session.reply(reply)
            self._keep(holding)
        if isinstance(run, PreflightRun) and run.prepared is not None and run.prepared.threads == session.threads:
            self._next.plan_first(work, run.prepared, lambda: self._keep(holding))
        self._begin_next(session, run, work)
        while not run.record():
            if self._stopping():
                raise Stopped
            self._sleep(self._settings.poll_seconds)
        self._recycle(run.traces, failed=run.failed)

    def _keep(self, holding: Holding) -> None:
        """Keep a lease, and be seen to live. Raises LeaseLost, Stopped."""
        if self._stopping():
            raise Stopped
        holding.keep()
        self._beat_patiently()

    def _listen(self, session: ChildSession, run: ClaimedRun) -> None:
        try:
            for answer in session.listen(self._settings.poll_seconds):
                self._descriptions.hear(answer)
                run.hear(answer)
                if run.plan_next:  # of what comes after, the plan knows nothing: it does not depend on how quick this process is
                    break
        except ChildLost:
            run.record()  # what had ended before is not to be trained again
            raise

    def _begin_next(self, session: ChildSession, run: ClaimedRun, work: Claim) -> None:
        """Have the child begin what is expected next, before it is claimed, unless the child is to be replaced."""
        order, replaced = self._next.order(work.study.id), run.failed or run.traces >= self._settings.max_traces
        if order is None or replaced or self._descriptions.pressing or self._stopping():
            return
        if not self._next.is_due(work, self._registered.names, self._descriptions.runs):
            return
        try:
            session.order(order, work.definition)
            self._next.sent = work.study.id
        except ChildLost as lost:  # whoever works with it next hears of it again
            log.warning("child lost before its next cohort", worker=self._name, reason=str(lost))

    def _end_next(self, holding: Holding | None = None) -> None:
        """Have the child drop a cohort that it began and that is not claimed, keeping the lease of what is. Raises LeaseLost.

        That is ordinary, so a warm child is waited for, also where its graph calls are slow.
        """

        def stopped() -> bool:
            if holding is not None:
                holding.keep()
            self._beat_patiently()
            return self._stopping()

        most = max(CANCEL_SECONDS, self._settings.lease_seconds / CANCELS_A_LEASE)
        if self._next.sent is not None and self._session is not None and not self._session.cancel(stopped, most):
            self.end_child()
        self._next.sent = None

    def _beat_patiently(self) -> None:
        try:
            self._heartbeat.beat("busy", self._usage)
            self._look()
            self._descriptions.publish(self._worker_id)
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))

    def _recycle(self, traces: int, *, failed: bool) -> None:
        """End a child that has traced enough, or that has met a fault: it would not see what its user mends."""
        if failed or traces >= self._settings.max_traces:
            log.info("child replaced", worker=self._name, traces=traces, failed=failed)
            self.end_child()

    def _lose_child(self, work: Claim, holding: Holding, lost: ChildLost | OSError) -> None:
        """Give back the work of a child that was lost, charged where it had begun, or where the order itself ends every child."""
        log.error("child lost", worker=self._name, study=work.study.name, reason=str(lost))
        began = self._session is not None and self._session.taken
        unread = 0
        if began:
            self._losses.taken(work.study.id)
        elif self._session is not None and self._session.order_unread:
            unread = self._losses.unread(work.study.id)
        self.end_child()
        text = str(lost)
        if unread >= MOST_UNREAD:
            text = f"{unread} training processes in a row ended on reading an order of this study, the last one so: {text}"
        code = lost.code if isinstance(lost, ChildLost) else LOST
        self._release(holding, charge=began or unread >= MOST_UNREAD, reason=Reason(code, text))
        if not began:
            self._lose_idle_child(str(lost))
        elif isinstance(lost, ChildLost) and lost.short_of_memory:
            self._halve_cohorts(work)

    def _halve_cohorts(self, work: Claim) -> None:
        """Plan smaller cohorts for a while: the kernel kills the largest process when memory runs out."""
        if work.cohort is None:  # a preflight
            return
        trainings = sum(len(trial.seeds) for trial in work.trials)
        try:
            with self._database.writing() as session:
                most = max(trainings, cohort_sizes.most_at_once(session, work.cohort))  # further trials may have joined
                if most > 1:  # else it is as small as can be
                    cohort_sizes.halve(session, work.study.id, most, self._database.now(session))
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))

    def _release(self, holding: Holding, *, charge: bool, reason: Reason) -> None:
        try:
            with self._database.writing() as session:
                leases.release(session, holding.token, charge=charge, now=self._database.now(session), reason=reason)
        except (LeaseLost, StorageBusy, StorageUnavailable) as error:
            log.warning("lease not released; it will expire", token=holding.token, error=str(error))
