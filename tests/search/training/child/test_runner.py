"""The training child over a real pipe: describe, prepare, train, cancel, exit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import pytest

from search.training.child.describe import digest_of
from search.training.child.protocol import (
    CancelSettings,
    ChildReady,
    CohortTrained,
    DefineStudy,
    DescribeWorkloads,
    ExitChild,
    GoOn,
    Order,
    OrderTaken,
    PlacesFree,
    PrepareStudy,
    RungReached,
    StepsDone,
    StudyPrepared,
    StudyRefused,
    ThreadsWanted,
    TrainAlso,
    TrainCohort,
    WorkloadsDescribed,
    encode,
    read_answer,
)
from search.training.child.server import serve
from search.training.interface import Ended, EpochReport, Setting
from storage.fleet_records import WarmStudy
from storage.records import Reason, TrialState

ROOT = Path(__file__).parents[4]
TIMEOUT = 60.0

SHOP = """
import keras
import numpy as np
from keras import ops

x = np.random.default_rng(0).normal(size=(40, 3))


def build_model():
    inputs = keras.Input((3,))
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(inputs), "b": keras.layers.Dense(1)(inputs)})


def load_data():
    part = x, {"a": x[:, :1], "b": x[:, 1:2]}
    return {"train": part, "validation": part}


def fussy(batch):
    if not hasattr(batch.outputs["a"], "numpy"):
        raise RuntimeError("only eager tensors will do")
    return ops.mean(ops.square(batch.outputs["a"]))


def hungry(batch):
    raise MemoryError("no room for a term")


losses = {"fussy": fussy, "hungry": hungry, "broken": lambda batch: batch.outputs["c"]}
"""


class Child:
    """A child process, spoken to as the worker does."""

    def __init__(self, folder: Path) -> None:
        (folder / "shop.py").write_text(SHOP)
        self._ours, theirs = Pipe()
        path = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "STEELYARD_WORKLOADS": "shop=shop,lost=no_such_module"}
        command = [sys.executable, "-m", "search.training.child.runner", str(theirs.fileno())]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdout=log, stderr=log)
        theirs.close()

    def say(self, *orders: Order) -> None:
        for order in orders:
            self._ours.send_bytes(encode(order))

    def say_bytes(self, sent: bytes) -> None:
        self._ours.send_bytes(sent)

    def hear(self, *ends: type[Any]) -> list[Any]:
        """Return what the child answers until an answer of one of these types."""
        heard: list[Any] = []
        while not heard or not isinstance(heard[-1], ends):
            assert self._ours.poll(TIMEOUT), f"silent after {heard[-3:]}"
            heard.append(read_answer(self._ours.recv_bytes()))
        return heard

    def prepared(self, definition: dict[str, Any]) -> list[Any]:
        """Have a study prepared; return the answers."""
        self.say(DefineStudy(1, definition), PrepareStudy(1))
        return self.hear(StudyPrepared, StudyRefused)

    def close(self) -> None:
        self._ours.close()


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = Child(tmp_path_factory.mktemp("child"))
    (ready,) = child.hear(ChildReady)
    assert set(ready.versions) == {"keras", "tensorflow", "numpy"}
    yield child
    child.process.kill()
    child.process.wait()
    child.close()


def _study(loss: str = "mean_squared_error", epochs: int = 2, **training: Any) -> dict[str, Any]:
    weight = {"low": 0.1, "high": 10}
    return {
        "workload": {"name": "shop"},
        "tasks": [
            {"name": "a", "losses": [{"name": "error", "loss": loss, "weight": weight}]},
            {"name": "b", "losses": [{"name": "error", "loss": "mse", "weight": weight}], "metrics": ["mae"]},
        ],
        "objective": {"metrics": [{"metric": "b.mae", "direction": "minimize"}]},
        "training": {"epochs": epochs, "batch_size": 16, **training},
    }


def _orders(definition: dict[str, Any], *weights: float, engine: str = "serial", rungs: Sequence[int] = ()) -> tuple[Order, Order]:
    """Return the orders to train settings 5, 6, ... with these weights of a.error."""
    settings = [Setting(5 + i, 0, {"a.error": weight, "b.error": 1.0}, rungs=rungs) for i, weight in enumerate(weights)]
    return DefineStudy(1, definition), TrainCohort(1, engine, 2, settings)


def _ends(heard: Sequence[Any]) -> list[tuple[int, TrialState]]:
    return [(answer.number, answer.state) for answer in heard if isinstance(answer, Ended)]


def test_describe_tells_of_every_workload_or_why_not(child: Child) -> None:
    child.say(DescribeWorkloads())
    (described,) = child.hear(WorkloadsDescribed)
    found = {each["name"]: each for each in described.workloads}
    assert set(found) == {"digits", "digits-overlay", "digits-mask", "quadratics", "shop", "lost"}
    digits = found["digits"]["description"]
    assert digits["inputs"] == {"input": {"shape": [None, 64], "dtype": "float32"}}
    assert digits["outputs"] == {
        "digit": {"shape": [None, 10], "dtype": "float32"},
        "parity": {"shape": [None, 1], "dtype": "float32"},
    }
    assert digits["rows"] == {"train": 1150, "validation": 287, "test": 360}
    assert digits["parameters"] == digits["trainable_parameters"] == 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10 + 64 + 1
    assert set(digits["options"]["properties"]) == {"model", "hidden"}
    forms = {"plain": True, "row_weights": False, "points": False, "weighted": [], "rank_one": []}
    assert digits["code"] == {"place": "search.workloads.digits:Digits", "made": "with_options", **forms}
    assert found["digits"]["digest"] == digest_of(digits)
    assert found["shop"]["description"]["losses"] == ["broken", "fussy", "hungry"]
    assert found["lost"]["reason"]["code"] == "workload_import_failed"


def test_prepare_then_train_reports_every_epoch_and_end(child: Child) -> None:
    taken, first_call, prepared = child.prepared(_study())
    assert taken == OrderTaken()
    assert isinstance(first_call, StepsDone)
    assert first_call.slowest > 0
    assert (type(prepared), prepared.warnings) == (StudyPrepared, [])
    assert prepared.cohort_size >= 1
    child.say(_orders(_study(), 1.0, 2.0)[1])  # the definition is there
    _, *heard = child.hear(CohortTrained)
    reports = [answer for answer in heard if isinstance(answer, EpochReport)]
    epochs = [(report.epoch, report.numbers) for report in reports]
    assert epochs == [(0, [5]), (1, [5]), (2, [5]), (0, [6]), (1, [6]), (2, [6])]
    assert set(reports[0].train) == {"a.error", "b.error"}
    assert set(reports[0].validation) == {"a.error", "b.error", "b.mae"}
    assert [answer for answer in heard if isinstance(answer, Ended)] == [Ended(n, TrialState.COMPLETE, 2) for n in (5, 6)]
    assert heard[-1].seconds > 0


def test_a_study_that_trains_as_another_did_takes_its_graphs_over_and_nothing_is_traced(child: Child) -> None:
    *_, first = child.prepared({**_study(batch_size=10), "name": "first"})
    *_, second = child.prepared({**_study(batch_size=10), "name": "second"})
    assert first.traces.warm[0] == WarmStudy("first", 2)  # one to train, one to measure
    assert second.traces.warm[0] == WarmStudy("second", 2)
    assert "first" not in {each.study for each in second.traces.warm}
    assert second.traces.made == first.traces.made
    assert 0 < first.traces.seconds == second.traces.seconds < first.traces.work_seconds < second.traces.work_seconds


def test_the_first_step_that_traces_is_reported_with_the_graphs_that_it_made(child: Child) -> None:
    *_, before = child.prepared({**_study(batch_size=12), "name": "graphs"})
    child.say(*_orders({**_study(batch_size=12), "name": "graphs"}, 1.0, engine="unrolled"))
    heard = child.hear(CohortTrained)
    steps = [answer.traces for answer in heard if isinstance(answer, StepsDone)]
    assert before.traces.made < steps[0].made <= steps[-1].made == heard[-1].traces.made


def test_a_study_that_wants_other_threads_than_the_process_has_is_not_traced_there(child: Child) -> None:
    child.say(DefineStudy(1, _study()), PrepareStudy(1, threads=7))  # this small model wants one
    assert [type(answer) for answer in child.hear(ThreadsWanted)] == [OrderTaken, ThreadsWanted]


def test_a_study_trains_without_a_prepare_in_the_same_child(child: Child) -> None:
    child.say(*_orders(_study(batch_size=8), 1.0))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE)]


def test_memory_that_runs_out_in_a_preflight_is_called_so_as_in_a_training(child: Child) -> None:
    *_, refused = child.prepared(_study("hungry"))
    line = next(i for i, text in enumerate(SHOP.splitlines(), 1) if "raise MemoryError" in text)
    assert refused == StudyRefused(Reason("out_of_memory", "a.error: MemoryError: no room for a term", f"shop.py:{line}"))


def test_a_loss_that_raises_refuses_the_study_with_file_and_line(child: Child) -> None:
    *_, refused = child.prepared(_study("broken"))
    at = f"shop.py:{SHOP.splitlines().index(SHOP.splitlines()[-1]) + 1}"
    said = "a.error: KeyError: 'c' (outputs: a, b; targets: a, b; inputs: input)"
    assert refused == StudyRefused(Reason("term_failed", said, at))


def test_a_loss_that_fails_only_in_a_graph_is_refused_too(child: Child) -> None:
    *_, refused = child.prepared(_study("fussy"))
    line = next(i for i, line in enumerate(SHOP.splitlines(), start=1) if "raise RuntimeError" in line)
    assert (refused.reason.at, refused.reason.code) == (f"shop.py:{line}", "workload_failed")


def test_what_raises_in_a_training_ends_every_setting_and_the_child_lives(child: Child) -> None:
    child.say(*_orders(_study("broken"), 1.0, 2.0))
    ends = [answer for answer in child.hear(CohortTrained) if isinstance(answer, Ended)]
    assert [(end.number, end.state, end.reason and end.reason.message) for end in ends] == [
        (5, TrialState.FAILED, "KeyError: 'c'"),
        (6, TrialState.FAILED, "KeyError: 'c'"),
    ]
    child.say(*_orders(_study(), 1.0))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE)]


def test_a_definition_that_cannot_be_read_is_refused(child: Child) -> None:
    *_, refused = child.prepared({"tasks": []})
    assert refused.reason.code == "internal_error"


def test_a_cancel_ends_a_setting_and_lets_the_others_go_on(child: Child) -> None:
    child.say(*_orders(_study(epochs=100_000), 1.0, 2.0))
    child.hear(EpochReport)
    child.say(CancelSettings([5]))
    assert _ends(child.hear(Ended)) == [(5, TrialState.CANCELLED)]
    child.say(CancelSettings())
    *_, end, _ = child.hear(CohortTrained)
    assert (end.number, end.state, end.reason.code) == (6, TrialState.CANCELLED, "cancelled")


def test_a_cancel_that_comes_too_late_is_ignored(child: Child) -> None:
    child.say(CancelSettings(), *_orders(_study(), 1.0))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE)]


def _at_a_rung(child: Child, *rungs: int, epochs: int = 3) -> None:
    """Have two settings trained on one stack up to their first rung."""
    child.say(*_orders(_study(epochs=epochs), 1.0, 2.0, engine="vectorized", rungs=rungs))
    *_, report, reached = child.hear(RungReached)
    assert (type(report), report.epoch, report.numbers) == (EpochReport, rungs[0], [5, 6])
    assert reached == RungReached(rungs[0], [5, 6])


def test_at_a_rung_the_child_waits_and_ends_those_it_is_sent(child: Child) -> None:
    _at_a_rung(child, 1, 2)
    child.say(GoOn(1, {6: "epoch 1: hopeless"}))
    heard = child.hear(RungReached)
    assert heard[0] == Ended(6, TrialState.PRUNED, 1, Reason("pruned", "epoch 1: hopeless"))
    assert heard[-1] == RungReached(2, [5])
    child.say(GoOn(2))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE)]


def test_a_reply_to_another_rung_is_not_taken_for_this_one(child: Child) -> None:
    _at_a_rung(child, 1)
    child.say(GoOn(2, {5: "late"}), GoOn(1))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE), (6, TrialState.COMPLETE)]


def test_a_cancel_at_a_rung_needs_no_reply(child: Child) -> None:
    _at_a_rung(child, 1)
    child.say(CancelSettings())
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.CANCELLED), (6, TrialState.CANCELLED)]


def test_with_places_free_the_child_asks_for_settings_and_trains_them_too(child: Child) -> None:
    defined, order = _orders(_study(), 1.0, 2.0, engine="vectorized", rungs=(1,))
    assert isinstance(order, TrainCohort)
    child.say(defined, replace(order, more_at=1))
    child.hear(RungReached)
    child.say(GoOn(1, {6: "epoch 1: hopeless"}))
    assert child.hear(PlacesFree)[-1] == PlacesFree(1)
    child.say(TrainAlso(1, [replace(order.settings[0], number=7)]))
    assert child.hear(RungReached)[-1] == RungReached(1, [7])
    child.say(GoOn(1))
    heard = child.hear(CohortTrained)
    assert _ends(heard) == [(5, TrialState.COMPLETE), (7, TrialState.COMPLETE)]
    assert [answer.numbers for answer in heard if isinstance(answer, EpochReport)] == [[5, 7]]


def test_the_child_asks_for_settings_until_there_are_none(child: Child) -> None:
    defined, order = _orders(_study(epochs=3), 1.0, 2.0, engine="vectorized", rungs=(1,))
    assert isinstance(order, TrainCohort)
    child.say(defined, replace(order, more_at=1))
    child.hear(RungReached)
    child.say(GoOn(1, {6: "epoch 1: hopeless"}))
    for further in ([replace(order.settings[0], number=7)], []):
        assert child.hear(PlacesFree)[-1] == PlacesFree(1)
        child.say(TrainAlso(1, further))
        if further:
            child.hear(RungReached)
            child.say(GoOn(1, {7: "epoch 1: hopeless"}))
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.COMPLETE)]


def test_a_cancel_of_all_that_wait_for_settings_needs_no_reply(child: Child) -> None:
    defined, order = _orders(_study(), 1.0, 2.0, engine="vectorized", rungs=(1,))
    assert isinstance(order, TrainCohort)
    child.say(defined, replace(order, more_at=1))
    child.hear(RungReached)
    child.say(GoOn(1, {6: "epoch 1: hopeless"}))
    child.hear(PlacesFree)
    child.say(CancelSettings())
    assert _ends(child.hear(CohortTrained)) == [(5, TrialState.CANCELLED)]


def test_an_order_of_another_version_ends_the_child_in_the_middle_of_a_training_and_is_named_in_its_log(child: Child) -> None:
    child.say(*_orders(_study(epochs=100_000), 1.0))
    child.hear(EpochReport)
    child.say_bytes(b'TrainForever {"study":1}')
    assert child.process.wait(TIMEOUT) == 1
    assert "'TrainForever' is no order on the pipe" in child.log.read_text()


class Orders:
    """A pipe on which one order comes."""

    def __init__(self, order: Order) -> None:
        self.receive = lambda: order
        self.waiting = lambda seconds=0.0: True
        self.send = lambda answer: None


def test_exit_ends_a_child() -> None:
    assert serve(Orders(ExitChild())) == 0  # type: ignore[arg-type]
