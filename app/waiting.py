"""What a study waits for, said at the moment it is asked: a stored reason would be stale when workers come and go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from search.catalog import KINDS
from search.names import listed
from search.validation.published import Named, named_plugins
from storage.fleet_records import WorkerRecord
from storage.records import STUDY_ENDS, Reason, StudyRecord, StudyState, TrialState

WorkerPlugins = Mapping[int, Collection[Named]]
"""The plug-ins from outside that workers can run, by the worker's id."""

NOBODY = "no worker is alive"


def reason_of(
    study: StudyRecord,
    counts: Mapping[str, int],
    preparing: bool,
    live: Sequence[WorkerRecord],
    runs: WorkerPlugins = MappingProxyType({}),
) -> Reason | None:
    """Return why the study is as it is, or None where it simply goes on.

    `counts` are its trials by state, `preparing` says whether a worker is at its preflight, `live` are the live workers, `runs`
    the plug-ins that they can run.
    """
    running = counts[TrialState.RUNNING]
    if study.state in STUDY_ENDS:
        return study.reason
    if study.state is StudyState.PAUSED:
        return study.reason or Reason("paused", f"paused: {_still(running)}no new cohorts until it is resumed")
    nobody = _no_worker(study.workload, live)
    if study.state is StudyState.STOPPING and not nobody:
        return Reason("stopping", f"stopping: {running} trials that run may finish")
    if preparing or (running and not nobody):  # until its lease expires, what a worker trained that is gone is RUNNING
        return study.reason
    missing = nobody or _no_plugin(study, live, runs)
    return missing or study.reason or _busy(study.workload, live)


def _still(running: int) -> str:
    return f"{running} trials that run may finish, " if running else ""


def _no_worker(workload: str, live: Sequence[WorkerRecord]) -> Reason | None:
    if any(workload in worker.workloads for worker in live):
        return None
    others = {name for worker in live for name in worker.workloads}
    have = f"{len(live)} worker{'s have' if len(live) > 1 else ' has'}: {listed(others)}" if live else NOBODY
    return Reason("no_live_worker", f"no live worker has workload {workload!r}; {have}")


def _no_plugin(study: StudyRecord, live: Sequence[WorkerRecord], runs: WorkerPlugins) -> Reason | None:
    """Return which plug-ins from outside no live worker has beside the study's workload; None where one has all that it names."""
    wanted = list(named_plugins(study.definition))
    able = [worker for worker in live if study.workload in worker.workloads]
    lacking = {worker.id: [named for named in wanted if named not in runs.get(worker.id, ())] for worker in able}
    if not wanted or not all(lacking.values()):
        return None
    fewest = min(lacking.values(), key=len)
    missing = " and ".join(f"the {KINDS[kind].noun} {name!r}" for kind, name in fewest)
    others = {name for worker in able for _, name in runs.get(worker.id, ())}
    text = f"no live worker with workload {study.workload!r} has {missing}; their plug-ins: {listed(others)}"
    return Reason("no_live_worker", text)


def _busy(workload: str, live: Sequence[WorkerRecord]) -> Reason:
    able = sum(workload in worker.workloads for worker in live)
    have = "workers have" if able > 1 else "worker has"
    return Reason("waits_for_worker", f"waits for a free worker; {able} live {have} workload {workload!r}")
