"""What CMA-ES has learned, kept as numbers: the same suggestions as with Optuna's pickle, and no code out of the database."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cmaes
import numpy as np
import optuna
import pytest

from search.definition.schema import StudyDefinition
from search.errors import PluginFailed
from search.sampling import suggest as module
from search.sampling.cmaes_state import from_numbers, to_numbers
from search.sampling.suggest import DrawIndex, Drawn, suggest
from storage.records import TrialRecord
from tests.search.definitions import Document, define, study
from tests.search.histories import trial
from tests.search.sampling.test_suggest import LOG

CONFIGS: list[Document] = [{}, {"use_separable_cma": True}, {"with_margin": True}, {"lr_adapt": True}]
BOUNDS = np.array([[0.0, 1.0]] * 3)


def searched(config: Document) -> StudyDefinition:
    return define(study(LOG, {"values": [1, 2, 3]}, LOG, sampler={"name": "cmaes", "config": config}))


def played(definition: StudyDefinition, count: int) -> list[TrialRecord]:
    """Return trials as they are suggested one by one, each through JSON as SQL keeps it."""
    records: list[TrialRecord] = []
    for number in range(count):
        (drawn,) = suggest(definition, records, DrawIndex(number, number), 1)
        value = -abs(math.log(drawn.parameters["t0.error"])) - abs(drawn.parameters["t1.error"] - 2)
        state = json.loads(json.dumps(drawn.sampler_state))
        records.append(trial(number, drawn.parameters, value=value, sampler_state=state))
    return records


def next_of(definition: StudyDefinition, records: list[TrialRecord]) -> list[Drawn]:
    return suggest(definition, records, DrawIndex(len(records), len(records)), 3)


class Pickling(optuna.samplers.CmaEsSampler):
    """Optuna's own way, over a space that is known from the start."""

    whole: Mapping[str, Any] = {}

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return dict(self.whole)


@pytest.fixture
def optunas_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Optuna's sampler draw, with its pickle in the rows."""

    def sampler(definition: StudyDefinition, seed: int, distributions: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = Pickling(seed=seed, n_startup_trials=0, **definition.search.sampler.config)
        made.whole = distributions
        return made

    monkeypatch.setattr(module, "_sampler", sampler)
    monkeypatch.setattr("search.sampling.frozen.PICKLED", "nothing is left out")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_numbers_give_the_suggestions_that_optunas_pickle_gives(config: Document, request: pytest.FixtureRequest) -> None:
    definition = searched(config)
    ours = played(definition, 30)
    request.getfixturevalue("optunas_own")
    theirs = played(definition, 30)
    assert any(":optimizer:" in name for record in theirs for name in record.sampler_state)
    assert [record.parameters for record in ours] == [record.parameters for record in theirs]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_study_without_numbers_learns_the_same_again_from_its_rows(config: Document) -> None:
    definition = searched(config)
    records = played(definition, 30)
    without = [
        replace(record, sampler_state={name: value for name, value in record.sampler_state.items() if not name.endswith(":state")})
        for record in records
    ]
    assert without != records
    expected, found = next_of(definition, records), next_of(definition, without)
    for one, other in zip(expected, found, strict=True):
        assert other.parameters == pytest.approx(one.parameters, rel=1e-9)


def test_what_is_learned_anew_is_learned_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = searched({})
    records = played(definition, 30)
    without = [
        replace(record, sampler_state={name: value for name, value in record.sampler_state.items() if not name.endswith(":state")})
        for record in records[:-3]  # in the middle of a generation, so that a draw itself ends none
    ]
    learned: list[int] = []
    tell = cmaes.CMA.tell
    monkeypatch.setattr(cmaes.CMA, "tell", lambda self, members: (learned.append(self.generation), tell(self, members))[1])
    drawn = next_of(definition, without)
    assert learned == list(range(max(learned) + 1))
    assert ["cma:state" in one.sampler_state for one in drawn] == [True, False, False]
    assert drawn[0].sampler_state["cma:state"]["generation"] == max(learned) + 1


class Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def test_a_pickle_in_the_database_is_never_opened(tmp_path: Path) -> None:
    definition, left = searched({}), tmp_path / "exploded"
    records = played(definition, 14)
    expected = next_of(definition, records)
    bomb = {"cma:optimizer:0": pickle.dumps(Bomb(left)).hex()}
    armed = [replace(record, sampler_state={**record.sampler_state, **bomb}) for record in records]
    assert next_of(definition, armed) == expected
    assert not left.exists()


def test_a_sampler_from_outside_that_would_open_pickles_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "implementation", lambda kind, entry: lambda config, seed: optuna.samplers.CmaEsSampler(seed=seed))
    with pytest.raises(PluginFailed, match="whose pickles no worker opens"):
        next_of(searched({}), [])


def optimizers() -> list[Any]:
    """Return one optimizer of each kind with two generations behind it."""
    made: list[Any] = [
        cmaes.CMA(np.full(3, 0.5), 0.2, BOUNDS, seed=1),
        cmaes.CMA(np.full(3, 0.5), 0.2, BOUNDS, seed=1, lr_adapt=True),
        cmaes.SepCMA(np.full(3, 0.5), 0.2, BOUNDS, seed=1),
        cmaes.CMAwM(np.full(3, 0.5), 0.2, BOUNDS, np.array([0.0, 0.25, 0.0]), seed=1),
        cmaes.CMAwM(np.full(3, 0.5), 0.2, BOUNDS, np.zeros(3), seed=1),
    ]
    for optimizer in made:
        for _ in range(2):
            asked = [optimizer.ask() for _ in range(optimizer.population_size)]
            raw = [one[1] if isinstance(one, tuple) else one for one in asked]
            optimizer.tell([(x, float(np.sum((x - 0.3) ** 2))) for x in raw])
    return made


def fresh() -> list[Any]:
    return [
        cmaes.CMA(np.full(3, 0.5), 0.2, BOUNDS),
        cmaes.CMA(np.full(3, 0.5), 0.2, BOUNDS, lr_adapt=True),
        cmaes.SepCMA(np.full(3, 0.5), 0.2, BOUNDS),
        cmaes.CMAwM(np.full(3, 0.5), 0.2, BOUNDS, np.array([0.0, 0.25, 0.0])),
        cmaes.CMAwM(np.full(3, 0.5), 0.2, BOUNDS, np.zeros(3)),
    ]


@pytest.mark.parametrize("number", range(5))
def test_an_optimizer_restored_from_json_draws_what_the_living_one_draws(number: int) -> None:
    living, restored = optimizers()[number], fresh()[number]
    assert from_numbers(restored, json.loads(json.dumps(to_numbers(living))))
    for optimizer in (living, restored):
        optimizer.reseed_rng(7)
    for _ in range(5):
        np.testing.assert_allclose(restored.ask(), living.ask(), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", [0.5, 0.5]),
        ("mean", [0.5, "a", 0.5]),
        ("mean", [0.5, math.nan, 0.5]),
        ("covariance", [[1.0, 0.0], [0.0, 1.0]]),
        ("step_size", -1.0),
        ("step_size", {"a": 1}),
        ("generation", 1.5),
        ("generation", -1),
        ("odd", 1.0),
    ],
)
def test_numbers_that_do_not_fit_change_nothing(name: str, value: Any) -> None:
    optimizer = fresh()[0]
    before = to_numbers(optimizer)
    assert not from_numbers(optimizer, {**to_numbers(optimizers()[0]), name: value})
    assert to_numbers(optimizer) == before


@pytest.mark.parametrize("numbers", [None, [], "x", {}])
def test_what_is_no_set_of_numbers_changes_nothing(numbers: Any) -> None:
    assert not from_numbers(fresh()[0], numbers)
