"""Settings that end at a rung: who is asked, who ends, and that the others keep every bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from search.definition.schema import StudyDefinition
from search.training.engine.engine import CohortEngine
from search.training.interface import Setting
from storage.records import Reason, TrialState
from tests.search.training.scenes import Recorder, engine_of, kept, linear, rows, study, task, workload

GOOD, BAD = {"a.error": 1.0, "b.error": 1.0}, {"a.error": 0.0, "b.error": 1.0}


class Judge(Recorder):
    """Ends at a rung whose validation error of `a` is above `most`."""

    def __init__(self, most: float = np.inf) -> None:
        super().__init__()
        self._most = most
        self.asked: list[tuple[int, list[int]]] = []

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        self.asked.append((epoch, list(numbers)))
        return {number: f"epoch {epoch}: hopeless" for number in numbers if self.values(number, epoch)["a.error"] > self._most}


def _study(**training: Any) -> StudyDefinition:
    optimizer = {"name": "adam", "config": {"learning_rate": 0.1}}
    return study([task("a"), task("b")], training={"epochs": 4, "batch_size": 8, "optimizer": optimizer, **training})


@kept
def _kept_engine(strategy: str, size: int) -> CohortEngine:
    x, y = rows(20, a=2, b=1)
    y["a"] = x[:, :2] * 3
    return engine_of(_study(), workload(linear({"a": 2, "b": 1}), (x, y)), strategy, size)


def _engine(strategy: str = "vectorized", size: int = 4, **training: Any) -> tuple[CohortEngine, Any]:
    return _kept_engine(strategy, size), _study(**training).training


def at(*rungs: int, **settings: Any) -> list[Setting]:
    return [Setting(number, 0, weights, rungs=rungs) for number, weights in enumerate(settings.values())]


@pytest.mark.parametrize(("strategy", "size"), [("vectorized", 4), ("unrolled", 3)])
def test_a_bad_weight_is_ended_at_its_rung_and_its_neighbours_keep_every_bit(strategy: str, size: int) -> None:
    engine, training = _engine(strategy, size)
    settings = at(2, first=GOOD, bad=BAD, last={"a.error": 3.0, "b.error": 0.1})
    free, judged = Judge(), Judge()
    engine.train(settings, training, free)
    errors = [free.values(number, 2)["a.error"] for number in range(3)]
    assert max(errors) == errors[1]  # the weight of `a` is 0: its error does not fall
    judged = Judge((errors[1] + max(errors[0], errors[2])) / 2)
    engine.train(settings, training, judged)
    assert judged.asked == free.asked == [(2, [0, 1, 2])]
    assert judged.states() == {0: TrialState.COMPLETE, 1: TrialState.PRUNED, 2: TrialState.COMPLETE}
    assert (judged.ends[1].epochs, judged.ends[1].reason) == (2, Reason("pruned", "epoch 2: hopeless"))
    assert judged.epochs(1) == [0, 1, 2]
    for number in (0, 2):
        for epoch in range(5):
            assert judged.values(number, epoch) == free.values(number, epoch)


def test_where_all_are_ended_the_training_is_over() -> None:
    engine, training = _engine()
    judge = Judge(most=-1.0)
    engine.train(at(1, 3, first=GOOD, second=BAD), training, judge)
    assert judge.asked == [(1, [0, 1])]
    assert judge.states() == {0: TrialState.PRUNED, 1: TrialState.PRUNED}
    assert max(report.epoch for report in judge.reports) == 1


def test_only_those_whose_rung_it_is_are_asked_for() -> None:
    engine, training = _engine()
    judge = Judge()
    settings = [Setting(0, 0, GOOD, rungs=(1, 3)), Setting(1, 0, BAD, rungs=(3,)), Setting(2, 0, GOOD)]
    engine.train(settings, training, judge)
    assert judge.asked == [(1, [0]), (3, [0, 1])]


def test_an_epoch_that_is_not_reported_is_no_rung() -> None:
    engine, training = _engine(report_every=2)
    judge = Judge()
    engine.train(at(1, 2, first=GOOD), training, judge)
    assert judge.asked == [(2, [0])]


def test_one_that_diverged_is_not_asked_for() -> None:
    engine, training = _engine()
    judge = Judge()
    engine.train(at(1, first=GOOD, broken={"a.error": np.inf, "b.error": 1.0}), training, judge)
    assert judge.asked == [(1, [0])]
    assert judge.states() == {0: TrialState.COMPLETE, 1: TrialState.DIVERGED}


def test_a_cohort_larger_than_its_stack_comes_to_its_rung_in_parts() -> None:
    engine, training = _engine("serial", 1)
    judge = Judge()
    engine.train(at(2, first=GOOD, second=GOOD), training, judge)
    assert judge.asked == [(2, [0]), (2, [1])]


def test_the_stack_shrinks_after_a_rung_and_those_that_go_on_train_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, training = _engine("unrolled", 4, epochs=3)
    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)  # as if a graph were free
    free, judged = Judge(), Judge()
    bad = dict.fromkeys(("one", "two", "three"), BAD)
    engine.train(at(1, **bad, last=GOOD), training, free)
    trained = engine.variables(3)
    judged = Judge(free.values(0, 1)["a.error"] - 1e-9)
    engine.train(at(1, **bad, last=GOOD), training, judged)
    assert judged.states() == {3: TrialState.COMPLETE, **dict.fromkeys((0, 1, 2), TrialState.PRUNED)}
    assert (1, False) in engine._stacks
    assert judged.values(3, 3)["a.error"] == pytest.approx(free.values(3, 3)["a.error"], rel=1e-5)
    for after_shrinking, before in zip(engine.variables(3), trained, strict=True):
        np.testing.assert_allclose(after_shrinking, before, rtol=1e-5)
    with pytest.raises(KeyError):
        engine.variables(0)
