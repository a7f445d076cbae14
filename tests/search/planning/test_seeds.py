"""Several seeds for each search trial, and what they cost."""

from __future__ import annotations

import pytest

from search.definition.schema import StudyDefinition
from search.planning.baselines import baselines
from search.planning.confirmation import fresh_seeds, most_trainings
from search.planning.phases import cost, phases, trainings, trials
from search.planning.plan import History, Run, plan
from search.planning.references import reference_seeds
from search.planning.seeds import several_seeds
from search.validation import normalize
from storage.records import Role
from tests.search.definitions import define, flagship


def defined(seeds: int | None = None, **search: object) -> StudyDefinition:
    document = flagship()
    own = {} if seeds is None else {"seeds": seeds}
    document["search"] = {**document["search"], "trials": 8, **own, **search}
    return define(document)


def test_one_seed_is_the_default_and_changes_no_hash() -> None:
    assert several_seeds(defined()) == ()
    assert normalize.definition_sha256(defined()) == normalize.definition_sha256(defined(1))
    assert normalize.definition_sha256(defined(2)) != normalize.definition_sha256(defined(1))


def test_what_was_stored_before_there_were_seeds_reads_as_one() -> None:
    document = normalize.to_storage(defined())
    del document["search"]["seeds"]
    assert normalize.from_storage(document, trials=8).search.seeds == 1


def test_the_studys_own_seed_is_the_first() -> None:
    assert several_seeds(defined(3, seed=5))[0] == 5


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_no_other_phase_has_one_of_the_searchs_other_seeds(seed: int) -> None:
    definition = defined(32, seed=seed, confirmation={"seeds": 100}, references={"seeds": 32})
    own = several_seeds(definition)
    assert len(set(own)) == 32
    assert not set(own) & set(fresh_seeds(definition))
    assert set(own) & set(reference_seeds(definition)) == {seed}


def test_search_trials_and_baselines_train_on_all_of_them() -> None:
    definition = defined(3)
    step = plan(
        definition, History(budget=8, initial=dict.fromkeys(("digit.crossentropy", "parity.crossentropy", "agreement"), 1.0)), 64
    )
    assert isinstance(step, Run)
    assert {(trial.role, trial.seeds) for trial in step.trials} == {
        (role, several_seeds(definition)) for role in (Role.BASELINE, Role.SEARCH)
    }
    assert {trial.seed for trial in step.trials} == {definition.search.seed}


@pytest.mark.parametrize(("limit", "planned"), [(64, 13), (8, 2), (7, 2), (3, 1), (2, 1)])
def test_a_trial_takes_a_place_of_the_cohort_for_each_seed_and_one_goes_alone_where_they_are_more(limit: int, planned: int) -> None:
    step = plan(
        defined(3, baselines=[], references=None, confirmation=None, trials=12, sampler={"name": "random"}),
        History(budget=12),
        limit,
    )
    assert isinstance(step, Run)
    assert len(step.trials) == planned


def test_a_trial_counts_as_one_of_the_budget_and_costs_as_many_trainings_as_seeds() -> None:
    definition, one = defined(3), defined()
    assert phases(definition)[Role.SEARCH] == 24
    assert trials(definition)[Role.SEARCH] == trials(one)[Role.SEARCH] == 8
    assert phases(definition)[Role.BASELINE] == 3 * len(baselines(one, {"digit.crossentropy": 1.0, "parity.crossentropy": 2.0}))
    assert sum(trials(one).values()) == trainings(one)


def test_the_cost_says_how_trainings_come_about() -> None:
    assert cost(defined(3, baselines=[], confirmation=None)).startswith("24 to search (8 trials on 3 seeds each)")
    assert cost(defined(baselines=[], confirmation=None)).startswith("8 to search; ")


def test_a_search_that_may_stop_early_is_said_to_be_so_long_at_most() -> None:
    assert cost(defined(baselines=[], confirmation=None, stop={"no_gain": 1.0})).startswith("at most 8 to search; ")


def test_the_confirmation_is_bounded_by_the_searchs_trainings() -> None:
    definition = defined(6)
    assert definition.search.confirmation is not None
    assert most_trainings(definition, definition.search.confirmation) == 72
