"""The worker's side of a training, with a child that plays a script: what is stored, and what becomes of the lease."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from search.definition.space import SearchSpace
from search.training.child.protocol import (
    ChildReady,
    CohortTrained,
    DefineStudy,
    DescribeWorkloads,
    OrderTaken,
    PrepareStudy,
    StepsDone,
    StudyPrepared,
    StudyRefused,
    TrainCohort,
    UseWorkload,
    WorkloadsDescribed,
    encode,
    read_answer,
    read_order,
)
from search.training.interface import Ended, EpochReport
from search.validation import normalize
from search.validation.warnings import unpublished
from search.worker import claim as claim_module
from search.worker.analyses import work_out
from search.worker.child_process import ChildLost
from search.worker.claim import Analysis, Claim, Claimant, claim
from search.worker.heartbeat import Heartbeat
from search.worker.lease_keeper import Holding
from search.worker.registered_workloads import RegisteredWorkloads
from search.worker.work_loop import WorkLoop
from search.worker.worker import Worker, WorkerSettings
from search.workloads.registry import BUILT_IN
from search.workloads.sources import SourceModule, Sources
from storage import curves, leases, lifecycle, studies, study_rows, trial_rows, workers
from storage.database import Database
from storage.errors import LeaseLost, StorageUnavailable
from storage.fleet_records import Traces
from storage.records import Reason, StudyState, TrialState
from storage.studies import NewStudy
from tests.search.definitions import define, flagship

PREPARED = StudyPrepared(4, "vectorized", 1, "small", traces=Traces(2))


class Scripted:
    """A child that says what the script has: one list of answers a call, ChildLost where an exception stands.

    Orders and answers are encoded and read as over the pipe.
    """

    threads, pid = 1, os.getpid()

    def __init__(self, *turns: Sequence[Any]) -> None:
        self.turns = list(turns)
        self.orders: list[Any] = []
        self.ended = False

    def send(self, order: Any) -> None:
        self.orders.append(read_order(encode(order)))

    def messages(self, seconds: float) -> Iterator[Any]:
        left = list(self.turns.pop(0)) if self.turns else []
        try:
            while left:
                answer = left.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                yield read_answer(encode(answer))
        finally:
            if left:  # nobody listened to the end: it is still in the pipe
                self.turns.insert(0, left)

    def end(self) -> None:
        self.ended = True


class Scene:
    """A study in a real database, a worker's loop, and a script for its child."""

    def __init__(self, database_url: str, objective: Mapping[str, Any] | None = None, **search: Any) -> None:
        document = flagship()
        document["objective"] |= objective or {}
        document["search"] = {**document["search"], "trials": 3, "confirmation": None, **search}
        definition = define(document)
        self.database = Database(database_url)
        with self.database.writing() as session:
            new = NewStudy(
                name="x",
                definition=normalize.to_storage(definition),
                definition_version=1,
                definition_sha256=normalize.definition_sha256(definition),
                problem_sha256=normalize.problem_sha256(definition),
                workload="digits",
                description=None,
                labels={},
                warnings=(),
                trial_budget=SearchSpace(definition).trial_budget(),
                terms=normalize.term_records(definition),
            )
            studies.create_study(session, new, self.database.now(session))
        settings = WorkerSettings(database_url, poll_seconds=0.0)
        self.clock, self.child = time.monotonic, Scripted()
        self.heartbeat = Heartbeat(self.database, "w", ["digits"], settings.beat_seconds, lambda: self.clock())
        self.claimant = Claimant(self.heartbeat.worker_id, "w", ["digits"], settings.lease_seconds)
        self.registered = RegisteredWorkloads(None, lambda: self.clock())
        self.loop = WorkLoop(
            self.database,
            self.heartbeat,
            self.claimant,
            self.registered,
            settings,
            lambda threads: self.child,
            lambda: False,
            lambda: self.clock(),
        )
        self.loop._descriptions._wanted.clear()
        self.loop._descriptions.settled = True

    def play(self, *turns: Sequence[Any]) -> Scripted:
        """Have the worker claim once and do it with a new child that plays these turns."""
        work = self.claim()
        assert work is not None
        return self.do(work, *turns)

    def do(self, work: Claim, *turns: Sequence[Any]) -> Scripted:
        """Have the worker do claimed work with a new child that plays these turns."""
        self.loop.end_child()
        child = self.child = Scripted(*turns)
        self.loop.carry_out(work)
        return child

    def claim(self) -> Claim | None:
        """Return the next training or preflight; what is to be worked out before is."""
        while isinstance(work := claim(self.database, self.claimant), Analysis):
            work_out(self.database, work)
        return work

    def study(self) -> Any:
        with self.database.reading() as session:
            return study_rows.get_study(session, "x")

    def trials(self) -> list[Any]:
        with self.database.reading() as session:
            return trial_rows.trials_of(session, self.study().id)

    def close(self) -> None:
        self.loop.end_child()
        self.database.close()


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url)
    yield made
    made.close()


def epoch(number: int, *settings: int) -> EpochReport:
    terms = {path: [0.5] * len(settings) for path in ("digit.crossentropy", "parity.crossentropy", "agreement")}
    metrics = {"digit.sparse_categorical_accuracy": [0.9] * len(settings), "parity.binary_accuracy": [0.8] * len(settings)}
    return EpochReport(number, settings, 0.1, terms, {**terms, **metrics, "agreement.violations": [0.0] * len(settings)})


def ended(number: int, state: TrialState = TrialState.COMPLETE) -> Ended:
    return Ended(number, state, 10)


TAKEN = OrderTaken()
TRAINED = CohortTrained(1.0, Traces(2))


def test_a_preflight_that_passes_prepares_the_study(scene: Scene) -> None:
    scene.play([StepsDone(0)], [PREPARED])
    study = scene.study()
    assert (study.state, study.cohort_size, study.engine, study.engine_why) == (StudyState.RUNNING, 4, "vectorized", "small")


def test_a_prepared_study_no_longer_warns_that_its_workload_is_unknown(scene: Scene) -> None:
    with scene.database.writing() as session:
        warnings = [unpublished("digits"), "few trials"]
        study_rows.change_study(session, scene.study().id, scene.database.now(session), warnings=warnings)
    scene.play([PREPARED])
    assert scene.study().warnings == ("few trials",)


def test_a_refused_study_is_failed_with_the_reason_and_the_child_is_let_go(scene: Scene) -> None:
    child = scene.play([StudyRefused(Reason("term_failed", "no", "ads.py:3"))])
    study = scene.study()
    assert (study.state, study.reason.at) == (StudyState.FAILED, "ads.py:3")
    assert child.ended  # a warm one would not see what the user mends


def test_a_cohort_is_recorded_and_its_lease_completed(scene: Scene) -> None:
    scene.play([PREPARED])
    numbers = (0, 1, 2, 3)
    scene.play([epoch(0, *numbers), epoch(10, *numbers)], [*map(ended, numbers), TRAINED])
    assert [(t.number, t.state, t.value) for t in scene.trials()] == [
        (n, TrialState.COMPLETE, pytest.approx(0.85)) for n in numbers
    ]
    assert scene.claim() is None
    assert scene.study().state is StudyState.COMPLETE


def test_a_child_gets_a_study_s_definition_once_and_again_when_its_budget_is_raised(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    child = scene.do(work, [PREPARED], [epoch(10, 0, 1, 2, 3), *map(ended, range(4)), TRAINED], [epoch(10, 4), ended(4), TRAINED])
    for budget in (3, 4):
        with scene.database.writing() as session:
            lifecycle.raise_budget(session, "x", budget, scene.database.now(session))
        work = scene.claim()
        assert work is not None
        scene.loop.carry_out(work)
    assert [type(order) for order in child.orders] == [DefineStudy, PrepareStudy, TrainCohort, DefineStudy, TrainCohort]
    assert [order.definition["search"]["trials"] for order in child.orders if isinstance(order, DefineStudy)] == [3, 4]


def test_work_is_taken_up_while_a_child_describes_what_held_one_up_before(scene: Scene) -> None:
    tried = scene.loop._descriptions
    tried._given_up, tried._wanted, tried.settled = {"digits"}, {"digits": None}, False
    child = scene.child = Scripted([], [PREPARED], [ChildLost("the end of the script")])
    scene.loop.step()
    assert child.ended
    assert [type(order) for order in child.orders] == [DescribeWorkloads, DefineStudy, PrepareStudy, TrainCohort]
    assert scene.study().engine == "vectorized"
    assert tried.settled


def test_a_study_that_is_cancelled_in_its_preflight_stays_cancelled_and_the_worker_goes_on(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    with scene.database.writing() as session:
        lifecycle.cancel(session, "x", scene.database.now(session))
    scene.do(work, [PREPARED])
    assert scene.study().state is StudyState.CANCELLED
    assert scene.claim() is None


def test_an_answer_nobody_can_read_charges_the_study_and_lets_the_child_go(scene: Scene) -> None:
    scene.play([PREPARED])
    child = scene.play([epoch(0, 77)])  # not a setting of this cohort
    assert child.ended
    assert {trial.state for trial in scene.trials()} == {TrialState.WAITING}


def test_a_study_that_cannot_be_planned_fails_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.play([PREPARED])

    def broken(*_: Any) -> Any:
        raise ArithmeticError("no plan")

    monkeypatch.setattr(claim_module, "plan", broken)
    assert scene.claim() is None
    study = scene.study()
    assert study.state is StudyState.FAILED
    assert "ArithmeticError: no plan" in study.reason.message


def test_a_worker_whose_lease_expired_writes_nothing_more(scene: Scene, database_url: str) -> None:
    scene.play([PREPARED])
    work = scene.claim()
    assert work is not None
    late = Database(database_url, clock=lambda now: now.replace(year=now.year + 1))
    with late.writing() as session:
        assert leases.reap(session, late.now(session)) == 1
    late.close()
    scene.do(work, [epoch(0, 0), ended(0), TRAINED])
    assert {trial.state for trial in scene.trials()} == {TrialState.WAITING}


class Away:
    """A database that nobody answers for."""

    def __init__(self) -> None:
        self.asked = 0

    def reading(self) -> Any:
        self.asked += 1
        raise StorageUnavailable("connection refused")

    writing = reading


def test_a_database_that_is_away_is_waited_for_as_long_as_the_lease_lasts(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    now = [0.0]
    holding = Holding(Away(), work.lease, 40.0, lambda: now[0])  # type: ignore[arg-type]
    now[0] = 39.0
    holding.keep()
    now[0] = 40.0
    with pytest.raises(LeaseLost):
        holding.keep()


def test_a_database_that_is_away_is_asked_the_less_the_longer_it_is(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    now, away = [0.0], Away()
    holding = Holding(away, work.lease, 40.0, lambda: now[0])  # type: ignore[arg-type]
    for tick in range(390):
        now[0] = tick / 10
        assert not holding.write()
    assert 10 <= away.asked <= 25


def test_claimants_share_no_cohort(scene: Scene) -> None:
    scene.play([PREPARED])
    with scene.database.writing() as session:
        now = scene.database.now(session)
        other = workers.register(session, name="b", host="h", pid=2, version="1", workloads=["digits"], now=now)
    mine = scene.claim()
    theirs = claim(scene.database, Claimant(other.id, "b", ["digits"], 45.0))
    assert mine is not None
    assert len(mine.trials) == 4
    assert theirs is None


def test_weights_in_force_are_stored_of_trials_whose_weights_move(database_url: str) -> None:
    scene = Scene(database_url, baselines=["uncertainty"], confirmation=None)
    scene.play([PREPARED])
    report = replace(epoch(1, 0, 1, 2, 3), weights={"digit.crossentropy": [0.1, 0.2, 0.3, 0.4]})
    scene.play([report, *map(ended, range(4)), TRAINED])
    adaptive = {trial.number for trial in scene.trials() if trial.rule == "uncertainty"}
    with scene.database.reading() as session:
        stored = {trial.number: curves.epochs_of(session, trial.id)[0].weights for trial in scene.trials()}
    scene.close()
    assert len(adaptive) == 1
    assert stored == {n: {"digit.crossentropy": [0.1, 0.2, 0.3, 0.4][n]} if n in adaptive else {} for n in range(4)}


def test_a_worker_runs_in_a_thread_of_another_program_and_leaves_its_signals_alone(scene: Scene) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    described = [{"name": name, "digest": "d", "description": {}} for name in BUILT_IN]
    child = Scripted([ChildReady({}), WorkloadsDescribed(described)])
    url = scene.database.url.render_as_string(hide_password=False)
    worker = Worker(WorkerSettings(url, poll_seconds=0.0), lambda threads: child)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(worker.run()))
    thread.start()
    while not any(isinstance(order, PrepareStudy) for order in child.orders):
        time.sleep(0.01)
    worker.stop()
    thread.join()
    assert codes == [0]
    assert child.ended
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    work = scene.claim()  # nothing is lost, nothing charged
    assert work is not None
    assert work.cohort is None


class TwoVersions:
    """Registered workloads of which one has two versions."""

    def sources(self, name: str, version: str | None = None) -> Sources:
        return Sources("/shop/ads.py", {"ads": SourceModule("/shop/ads.py", version or "v2")})


def test_a_study_is_trained_by_a_child_that_has_its_version_of_the_workload(scene: Scene) -> None:
    scene.loop._registered = TwoVersions()  # type: ignore[assignment]
    work = scene.claim()
    assert work is not None
    used = []
    for version in ("v1", "v1", "v2"):
        scene.child = Scripted()  # taken where another is started
        used.append(scene.loop._session_for(replace(work, workload_version=version)))
    assert used[0] is used[1]
    assert used[1] is not used[2]
    orders = [order for session in (used[0], used[2]) for order in session._child.orders if isinstance(order, UseWorkload)]
    assert [order.modules["ads"].text for order in orders] == ["v1", "v2"]
    assert used[0]._child.ended  # type: ignore[attr-defined]


def test_the_version_is_stored_with_the_study_when_it_is_prepared(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    scene.do(replace(work, workload_version="v1"), [PREPARED])
    assert scene.study().workload_version == "v1"
