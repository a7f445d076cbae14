"""Settings of several seeds in one stack: what each has of its own beside its weights."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from search.training.engine.traces import traces_made
from search.training.interface import Setting
from search.training.weighting.rules import Uncertainty
from storage.records import TrialState
from tests.search.training.engine.test_pruned import Judge
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task, workload

BUILD = linear({"a": 1, "b": 1})
X, Y = rows(20, a=1, b=1)
WEIGHTS = {"a.error": 1.0, "b.error": 0.5}
SEEDS = (3, 4)


@pytest.fixture(autouse=True)
def _mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)


def trained(definition: Any, bound: Any, settings: Any, strategy: str, recorder: Any = None) -> Any:
    recorder = recorder or Recorder()
    engine_of(definition, bound, strategy, 4).train(settings, definition.training, recorder)
    return recorder


def assert_alike(definition: Any, bound: Any, settings: Any) -> None:
    """Hold a stack of several seeds against trainings one after another."""
    together, alone = (trained(definition, bound, settings, strategy) for strategy in ("vectorized", "serial"))
    assert together.reports[-1].numbers == [setting.number for setting in settings]
    for number in range(len(settings)):
        assert together.epochs(number) == alone.epochs(number)
        for epoch in together.epochs(number):
            for split in ("train", "validation"):
                assert together.values(number, epoch, split) == pytest.approx(alone.values(number, epoch, split), abs=1e-9)


def test_a_setting_that_has_met_no_label_yet_is_not_broken(float64: None) -> None:
    sparse = np.full((20, 1), np.nan)
    sparse[0] = 1.0
    definition = study([task("a"), task("b", missing="nan")], training={"epochs": 2, "batch_size": 4})
    assert_alike(
        definition, workload(BUILD, (X, {"a": Y["a"], "b": sparse})), [Setting(i, s, WEIGHTS) for i, s in enumerate(SEEDS)]
    )


def test_each_seed_takes_points_and_rows_in_its_own_order_and_learns_from_its_own_start(float64: None) -> None:
    points = {"wall": (np.random.default_rng(7).normal(size=(11, 3)), 4)}
    penalty = {"name": "wall", "penalty": "wall", "weight": 1.0}
    bound = workload(BUILD, (X, Y), extra=points, penalties={"wall": lambda batch: (batch.call(batch.extra["wall"])["a"] - 1) ** 2})
    definition = study([task("a"), task("b")], [penalty], training={"epochs": 2, "batch_size": 8})
    weights = {**WEIGHTS, "wall": 2.0}
    rules = ("fixed", "uncertainty", "dwa", "dwa")
    assert_alike(definition, bound, [Setting(i, SEEDS[i % 2], weights, rule=rule) for i, rule in enumerate(rules)])


def test_the_graph_that_is_tried_is_the_one_that_trains() -> None:
    definition, before = study([task("a"), task("b")], training={"epochs": 2, "batch_size": 8}), traces_made()
    settings = [Setting(i, SEEDS[i], WEIGHTS, rule=rule) for i, rule in enumerate(("fixed", "uncertainty"))]
    recorder = trained(definition, workload(BUILD, (X, Y)), settings, "vectorized")
    assert recorder.reports[-1].numbers == [0, 1]
    assert traces_made() - before == 2  # one trains, the other measures


def test_gradnorm_reads_each_seeds_own_terms_before_training(float64: None) -> None:
    definition = study([task("a"), task("b")], training={"epochs": 2, "batch_size": 8})

    def build_model() -> Any:
        inputs = keras.Input((3,))
        trunk = keras.layers.Dense(4)(inputs)
        return keras.Model(inputs, {name: keras.layers.Dense(1)(trunk) for name in ("a", "b")})

    settings = [Setting(i, seed, {"a.error": 1.0, "b.error": 1.0}, rule="gradnorm") for i, seed in enumerate(SEEDS)]
    assert_alike(definition, workload(build_model, (X, Y)), settings)


def test_seeds_are_trained_apart_where_an_operation_would_run_once_a_setting(float64: None) -> None:
    def build_model() -> Any:
        inputs = keras.Input((3,))
        looked_up = keras.ops.cast(keras.layers.IntegerLookup(vocabulary=[-1, 0, 1])(keras.ops.cast(inputs, "int64")), "float64")
        return keras.Model(inputs, {name: keras.layers.Dense(1)(looked_up) for name in ("a", "b")})

    definition = study([task("a"), task("b")], training={"epochs": 1, "batch_size": 8})
    settings = [Setting(number, seed, WEIGHTS) for number, seed in enumerate(SEEDS)]
    recorder = trained(definition, workload(build_model, (X, Y)), settings, "vectorized")
    assert [report.numbers for report in recorder.reports] == [[0], [0], [1], [1]]


def test_what_settings_of_one_rule_cannot_have_together_others_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever trained before: which are together must not depend on it."""

    def fails(*_: Any) -> Any:
        raise ValueError("no graph")

    definition = study([task("a"), task("b")], training={"epochs": 1, "batch_size": 8})
    engine, groups = engine_of(definition, workload(BUILD, (X, Y)), "vectorized", 4), []
    monkeypatch.setattr(Uncertainty, "weights", fails)
    for rule in ("uncertainty", "fixed", "uncertainty"):
        settings = [Setting(number, seed, WEIGHTS, rule=rule) for number, seed in enumerate(SEEDS)]
        groups.append([len(group) for group in engine._groups(settings, definition.training, Recorder())])
    assert groups == [[1, 1], [2], [1, 1]]


def test_all_seeds_come_to_a_rung_at_once_and_one_that_ends_leaves_the_others() -> None:
    definition = study([task("a"), task("b")], training={"epochs": 3, "batch_size": 8})
    settings = [Setting(i, seed, weights, rungs=(1,)) for i, (seed, weights) in enumerate(((3, WEIGHTS), (4, WEIGHTS)))]
    free = trained(definition, workload(BUILD, (X, Y)), settings, "vectorized", Judge())
    errors = [free.values(number, 1)["a.error"] for number in range(2)]
    judged = trained(definition, workload(BUILD, (X, Y)), settings, "vectorized", Judge(sum(errors) / 2))
    worst = int(np.argmax(errors))
    assert judged.asked == [(1, [0, 1])]
    assert judged.states() == {worst: TrialState.PRUNED, 1 - worst: TrialState.COMPLETE}
    assert judged.values(1 - worst, 3) == free.values(1 - worst, 3)
