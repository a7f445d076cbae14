"""Thousands of orders in which workers crash, write late and are written off: the budget is exact, and a trial has one result."""

from __future__ import annotations

from collections import Counter

import pytest

from storage.database import Database
from tests.storage.simulation import STEPS, Simulation

STEPS_EACH = 40


def play(database: Database, seeds: range) -> Counter[str]:
    """Play a study for each seed; returns how often what happened."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        simulation = Simulation(database, seed)
        try:
            simulation.run(STEPS_EACH)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        counts.update(simulation.counts)
    return counts


def test_no_order_of_crashes_and_late_writes_loses_a_trial_or_gives_it_two_results(database: Database) -> None:
    counts = play(database, range(40 if database.dialect == "sqlite" else 6))
    assert counts["LeaseLost"] > 0
    assert {step.__name__ for step in STEPS} <= set(counts)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_no_order_of_thousands_does(database: Database) -> None:
    seeds = range(1000, 3000 if database.dialect == "sqlite" else 1300)
    assert play(database, seeds)["LeaseLost"] > len(seeds)
