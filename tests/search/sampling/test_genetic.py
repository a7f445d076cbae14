"""NSGA rebuilt from rows: whole generations, the parents that a live one has, and as good a front."""

from __future__ import annotations

import functools
import json
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import optuna
import pytest

from search.definition.schema import StudyDefinition
from search.objective import pareto
from search.sampling.suggest import DrawIndex, Nsga2, Nsga3, batch_limit, suggest
from storage.records import TrialRecord, TrialState, Values
from tests.search.definitions import Document, changed, define, study
from tests.search.histories import trial
from tests.search.planning.test_whole_studies import Play
from tests.search.sampling.test_suggest import LOG, best_of_live, hill, median_loss

NSGA = ["nsga2", "nsga3"]
GENERATION = 16
NOTHING = 8.0
"""An error of either task that no trial of the front comes near."""


def errors(parameters: Values) -> tuple[float, float]:
    """Return two errors, quadratic in the logarithms: the front is what lies between their least points (1, -1) and (-1, 0.5)."""
    first, second = map(math.log10, parameters.values())
    return (first - 1) ** 2 + (second + 1) ** 2, (first + 1) ** 2 + (second - 0.5) ** 2


def searching(sampler: str, *, aggregate: str = "pareto", seed: int = 0, trials: int = 96, **config: Any) -> StudyDefinition:
    search = {"sampler": {"name": sampler, "config": config}, "seed": seed, "trials": trials, "confirmation": None}
    return define(changed(study(LOG, LOG, **search), {"objective.aggregate": aggregate}))


def measured(number: int, parameters: Values, **fields: Any) -> TrialRecord:
    first, second = errors(parameters)
    return trial(number, parameters, value=None, values={"t0.mse": first, "t1.mse": second}, **fields)


def searched(
    definition: StudyDefinition, trials: int = 96, *, at_once: int = GENERATION, forget: bool = False
) -> list[TrialRecord]:
    """Play a study with two errors; `forget` leaves the sampler's attributes out of the rows."""
    records: list[TrialRecord] = []
    while len(records) < trials:
        count = min(at_once, batch_limit(definition, records), trials - len(records))
        drawn = suggest(definition, records, DrawIndex(len(records), len(records)), count)
        first = len(records)
        records += [
            measured(first + i, one.parameters, sampler_state={} if forget else one.sampler_state) for i, one in enumerate(drawn)
        ]
    return records


def covered(points: list[tuple[float, ...]]) -> float:
    return pareto.hypervolume(points, ["minimize"] * 2, [NOTHING] * 2)


@functools.cache
def covered_by(sampler: str, seed: int, trials: int = 96, at_once: int = GENERATION, **config: Any) -> float:
    records = searched(searching(sampler, seed=seed, **config), trials, at_once=at_once)
    return covered([tuple(record.values.values()) for record in records])


def covered_live(sampler: optuna.samplers.BaseSampler, trials: int = 96) -> float:
    live = live_study(sampler, trials)
    return covered([tuple(each.values) for each in live.trials])


def live_study(sampler: optuna.samplers.BaseSampler, trials: int) -> optuna.Study:
    live = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    live.optimize(
        lambda asked: errors({name: asked.suggest_float(name, *LOG.values(), log=True) for name in ("t0.error", "t1.error")}),
        trials,
    )
    return live


def median(play: Callable[[int], float]) -> float:
    return statistics.median(play(seed) for seed in range(7))


# As good as a live one


LIVE: Mapping[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(population_size=GENERATION, seed=seed),
    "nsga3": lambda seed: optuna.samplers.NSGAIIISampler(population_size=GENERATION, seed=seed),
}


@pytest.mark.filterwarnings("ignore:NSGAIIISampler is experimental")
@pytest.mark.parametrize("name", NSGA)
def test_rebuilt_from_rows_it_finds_as_good_a_front_as_a_live_one(name: str) -> None:
    live = median(lambda seed: covered_live(LIVE[name](seed)))
    assert median(lambda seed: covered_by(name, seed)) > 0.95 * live


@pytest.mark.parametrize("name", NSGA)
def test_it_finds_a_better_front_than_random_draws(name: str) -> None:
    """By what the front leaves out of the greatest volume there is, which the best of thousands of draws nearly cover."""
    most = covered([errors({"x": 10 ** (1 - 2 * t), "y": 10 ** (-1 + 1.5 * t)}) for t in (i / 2000 for i in range(2001))])
    random = most - median(lambda seed: covered_by("random", seed))
    assert most - median(lambda seed: covered_by(name, seed)) < 0.8 * random


@pytest.mark.parametrize("name", NSGA)
def test_without_its_attributes_it_would_not_leave_its_first_generation(name: str) -> None:
    """Why `sampler_state` is stored: every suggestion is a random draw then."""
    definition = searching(name)
    last = searched(definition, forget=True)[-1]
    (drawn,) = suggest(definition, [], DrawIndex(last.number, last.number), 1)
    assert dict(last.parameters) == drawn.parameters


def test_the_parents_of_a_generation_are_those_that_a_live_one_has() -> None:
    live = live_study(LIVE["nsga2"](0), 5 * GENERATION)
    kept = live._storage.get_study_system_attrs(live._study_id)
    rebuilt = optuna.create_study(directions=["minimize"] * 2)
    for each in live.trials:
        attributes = {"Nsga2:generation": each.system_attrs["NSGAIISampler:generation"]}
        rebuilt.add_trial(
            optuna.create_trial(values=each.values, params=each.params, distributions=each.distributions, system_attrs=attributes)
        )
    sampler = Nsga2(population_size=GENERATION, seed=1)
    sampler.before_trial(rebuilt, rebuilt.trials[-1])
    for generation in range(1, 5):
        parents = sampler.get_parent_population(rebuilt, generation)
        assert [parent.number for parent in parents] == sorted(kept[f"NSGAIISampler:parent:{generation}"])


@pytest.mark.parametrize("name", NSGA)
def test_with_one_value_it_finds_a_better_one_than_random_draws(name: str) -> None:
    definition = {seed: searching(name, aggregate="mean", seed=seed) for seed in range(5)}

    def best(seed: int) -> float:
        records: list[TrialRecord] = []
        while len(records) < 96:
            count = batch_limit(definition[seed], records)
            drawn = suggest(definition[seed], records, DrawIndex(len(records), len(records)), count)
            records += [
                trial(len(records) + i, one.parameters, value=hill(one.parameters), sampler_state=one.sampler_state)
                for i, one in enumerate(drawn)
            ]
        return max(record.value or -math.inf for record in records)

    assert median_loss(best) < median_loss(lambda seed: best_of_live(optuna.samplers.RandomSampler(seed=seed), 96))


# Generations


def generations(records: list[TrialRecord]) -> list[int]:
    return [next(value for name, value in record.sampler_state.items() if name.endswith(":generation")) for record in records]


@pytest.mark.parametrize("name", NSGA)
@pytest.mark.parametrize("at_once", [16, 5, 7])
def test_generations_are_whole_in_cohorts_of_any_size(name: str, at_once: int) -> None:
    numbers = generations(searched(searching(name), 4 * GENERATION, at_once=at_once))
    assert numbers == [generation for generation in range(4) for _ in range(GENERATION)]


@pytest.mark.parametrize("name", NSGA)
def test_its_state_is_json_and_names_the_class_that_reads_it(name: str) -> None:
    (drawn,) = suggest(searching(name), [], DrawIndex(0, 0), 1)
    assert json.loads(json.dumps(drawn.sampler_state)) == {f"{name.capitalize()}:generation": 0}


@pytest.mark.parametrize("name", NSGA)
def test_a_batch_goes_on_as_if_it_had_been_asked_for_in_parts(name: str) -> None:
    definition = searching(name)
    records = searched(definition, 3 * GENERATION)
    whole = suggest(definition, records, DrawIndex(48, 48), 6)
    running = [
        trial(48 + i, one.parameters, state=TrialState.WAITING, sampler_state=one.sampler_state) for i, one in enumerate(whole[:3])
    ]
    assert suggest(definition, [*records[::-1], *running], DrawIndex(51, 51), 3) == whole[3:]


@pytest.mark.parametrize("name", NSGA)
def test_more_generations_than_python_recurses_into_are_taken(name: str) -> None:
    """Optuna's own goes back through all generations by recursion where their parents are lost."""
    definition = searching(name, population_size=2)
    drawn = suggest(searching("random"), [], DrawIndex(0, 0), 500)
    attribute = f"{name.capitalize()}:generation"
    records = [measured(4000 + i, one.parameters, sampler_state={attribute: 2000 + i // 2}) for i, one in enumerate(drawn)]
    (child,) = suggest(definition, records, DrawIndex(4500, 4500), 1)
    assert child.sampler_state == {attribute: 2250}


def test_generations_that_are_forgotten_hand_their_best_on() -> None:
    """Of a long study the latest are observed, and what is left of the front: it goes on from those, without the gaps."""
    definition = searching("nsga2")
    records = searched(definition, 6 * GENERATION)
    points = [tuple(record.values.values()) for record in records]
    best = set(pareto.front(points, ["minimize"] * 2))
    observed = [record for record in records if record.number in best or record.number >= 4 * GENERATION]
    (child,) = suggest(definition, observed, DrawIndex(96, 96), 1)
    assert child.sampler_state == {"Nsga2:generation": 6}


@pytest.mark.parametrize("name", NSGA)
def test_how_many_workers_there_are_changes_nothing(name: str) -> None:
    definition = searching(name, trials=60)
    alone, together = PlayedFront(definition, GENERATION), PlayedFront(definition, GENERATION)
    while alone.end is None:
        alone.claim("a")
        if "a" in alone.held:
            alone.finish("a", [TrialState.COMPLETE])
    while together.end is None:
        for worker in ("a", "b", "c"):
            together.claim(worker)
        for worker in sorted(together.held, reverse=True):
            together.finish(worker, [TrialState.COMPLETE])
    assert [record.parameters for record in alone.trials] == [record.parameters for record in together.trials]
    assert len(alone.trials) == 60


class PlayedFront(Play):
    """A study whose trials have two errors and no value."""

    def _change(self, number: int, **fields: Any) -> None:
        if fields.get("state") is TrialState.COMPLETE:
            first, second = errors(self.trials[number].parameters)
            fields |= {"value": None, "values": {"t0.mse": first, "t1.mse": second}, "feasible": True}
        super()._change(number, **fields)


@pytest.mark.parametrize(("ended", "left"), [(TrialState.COMPLETE, 16), (TrialState.DIVERGED, 2), (TrialState.PRUNED, 2)])
def test_a_generation_is_filled_up_with_others_for_those_without_values(ended: TrialState, left: int) -> None:
    parameters = {"t0.error": 1.0, "t1.error": 1.0}
    records = [measured(i, parameters, sampler_state={"Nsga2:generation": 0}) for i in range(14)]
    last = [measured(14 + i, parameters, state=ended, sampler_state={"Nsga2:generation": 0}) for i in range(2)]
    assert batch_limit(searching("nsga2"), [*records, *last]) == left


def test_a_generation_in_training_is_waited_for() -> None:
    running = [trial(i, state=TrialState.RUNNING, sampler_state={"Nsga3:generation": 0}) for i in range(GENERATION)]
    assert batch_limit(searching("nsga3"), running) == 0


@pytest.mark.parametrize(("config", "size"), [({}, 16), ({"population_size": 5}, 5)])
def test_a_generation_is_the_catalog_s_where_the_definition_does_not_say(config: Document, size: int) -> None:
    assert batch_limit(searching("nsga2", **config), []) == batch_limit(searching("nsga3", **config), []) == size


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("nsga2", {"population_size": 4, "mutation_prob": 0.5, "crossover_prob": 1.0, "swapping_prob": 0.1}),
        ("nsga2", {"mutation_prob": None}),
        ("nsga3", {"population_size": 4, "dividing_parameter": 12}),
    ],
)
def test_every_option_works_without_a_warning(name: str, config: Document, caplog: pytest.LogCaptureFixture) -> None:
    assert len(searched(searching(name, **config), 24)) == 24
    assert not [record for record in caplog.records if record.name.startswith("optuna")]


def test_who_survives_a_crowded_niche_is_drawn_alike_in_every_rebuilding() -> None:
    definition = searching("nsga3", dividing_parameter=1)
    records = searched(definition, 3 * GENERATION)
    assert suggest(definition, records, DrawIndex(48, 48), 8) == suggest(definition, list(records), DrawIndex(48, 48), 8)
    assert issubclass(Nsga3, optuna.samplers.NSGAIIISampler)


# Constraints, and other samplers of a front


def feasible_late(name: str, *, heeded: bool) -> int:
    """Return how many of the last 32 of 80 trials keep a constraint that breaks where both errors are least; or is not observed."""
    definition = searching(name)
    records: list[TrialRecord] = []
    while len(records) < 80:
        drawn = suggest(definition, records, DrawIndex(len(records), len(records)), min(16, batch_limit(definition, records)))
        for one in drawn:
            first = math.log10(next(iter(one.parameters.values())))
            observed = {"violations": {"digit.kept": max(0.0, first)}} if heeded else {}
            values = {"t0.mse": 5 - first, "t1.mse": 9 - first}
            state = one.sampler_state
            records.append(trial(len(records), one.parameters, value=None, values=values, sampler_state=state, **observed))
    return sum(next(iter(record.parameters.values())) <= 1 for record in records[48:])


@pytest.mark.parametrize("name", [*NSGA, "tpe"])
def test_a_front_s_sampler_keeps_away_from_what_breaks_a_constraint(name: str) -> None:
    assert feasible_late(name, heeded=True) > 2 * feasible_late(name, heeded=False)


@pytest.mark.parametrize("config", [{}, {"group": True}, {"multivariate": False}])
def test_tpe_finds_a_better_front_than_random_draws(config: Document) -> None:
    random = median(lambda seed: covered_by("random", seed, trials=48))
    assert median(lambda seed: covered_by("tpe", seed, trials=48, at_once=8, **config)) > random


def test_tpe_models_the_weights_of_a_front_jointly_unless_configured() -> None:
    records = searched(searching("tpe"), 24)
    unsaid, jointly, apart = (
        suggest(searching("tpe", **config), records, DrawIndex(24, 24), 4)
        for config in ({}, {"multivariate": True}, {"multivariate": False})
    )
    assert unsaid == jointly != apart


@pytest.mark.parametrize("name", [*NSGA, "tpe"])
def test_trials_of_a_front_that_ended_early_are_taken(name: str) -> None:
    """They have no one value, so Optuna may not be given one: it could not say which way it is better."""
    definition = searching(name)
    early = [replace(record, state=TrialState.PRUNED, epochs=3) for record in searched(definition, 12)]
    records = [*early, *searched(definition, 32)[12:]]
    assert len(suggest(definition, records, DrawIndex(32, 32), 4)) == 4


def test_a_front_is_searched_by_a_gaussian_process_where_pytorch_is() -> None:
    pytest.importorskip("torch", reason="the sampler gp needs the extra steelyard[gp]")
    records = searched(searching("gp"), 14, at_once=4)
    assert len(suggest(searching("gp"), records, DrawIndex(14, 14), 2)) == 2


@pytest.mark.parametrize("name", ["qmc", "random"])
def test_samplers_that_do_not_learn_take_a_front_like_any_objective(name: str) -> None:
    other = searching(name, aggregate="mean")
    assert suggest(searching(name), [], DrawIndex(0, 0), 8) == suggest(other, [], DrawIndex(0, 0), 8)
