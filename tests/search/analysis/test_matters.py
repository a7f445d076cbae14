"""What a worker works out at a study's end, from records, and that nothing of it can keep the study from its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search.analysis import importance, matters
from search.analysis.matters import Material, worked_out
from search.analysis.verdict import Candidate
from search.definition.schema import StudyDefinition
from storage.records import AnchorRecord, Measured, Role, TrialRecord
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

PATH = "t0.error"
ONE = define(study(log_range(), confirmation={"top": 1, "seeds": 4}))
RNG = np.random.default_rng(3)
PLACES = [10.0 ** (i / 5 - 2) for i in range(20)]


def hill(at: float) -> float:
    """The best is at 1; a decade costs 0.5."""
    return -0.5 * abs(float(np.log10(at)))


SEARCHED = [
    trial(i, {PATH: at}, value=hill(at) + 0.02 * float(RNG.normal()), values={"t0.mse": -hill(at)}) for i, at in enumerate(PLACES)
]
BEST = SEARCHED[10]


def again(record: TrialRecord, worth: float, seeds: int = 4, std: float = 0.05) -> Candidate:
    """Return a setting's trainings on fresh seeds; the study minimises t0.mse."""
    values = worth + std * RNG.normal(size=seeds)
    return Candidate(record, {100 + i: Measured(validation={"t0.mse": -float(value)}) for i, value in enumerate(values)})


def material(definition: StudyDefinition = ONE, **changes: Any) -> Material:
    record = scenes_record()
    known = Material(record, definition, SEARCHED, (), [again(BEST, 0.0)], (), {}, BEST)
    return replace(known, **changes)


def scenes_record() -> Any:
    class Named:
        name = "study"

    return Named()


def test_the_range_lies_around_the_confirmed_winner() -> None:
    found = worked_out(material())
    found_range = found["ranges"][PATH]
    assert (found["trial"], found["noise"]["of"]) == (10, "1 setting on fresh seeds")
    assert found_range["low"] < 1.0 < found_range["high"]
    assert found_range["worse"], "a cost of ten times the noise is stated"


def test_more_evidence_on_fresh_seeds_makes_the_range_surer() -> None:
    """Trainings of a second setting, half a decade away, that cost .25: five times the noise."""
    beside = SEARCHED[13]
    candidates = [again(BEST, 0.0, 12), again(beside, hill(PLACES[13]), 12)]
    found_range = worked_out(material(candidates=candidates))["ranges"][PATH]
    assert found_range["high"] < PLACES[13]


def test_a_baseline_whose_means_break_a_constraint_is_not_as_good() -> None:
    document = study(log_range(), confirmation={"top": 1, "seeds": 4})
    document["objective"]["metrics"].append({"metric": "t0.error", "strategy": "constraint", "at_most": 1.0})
    rival = replace(trial(30, {PATH: 1.5}, role=Role.BASELINE, value=0.0, weights={PATH: 1.5}), rule="equal")
    broken = Candidate(rival, {100 + i: Measured(validation={"t0.mse": 0.0, "t0.error": 5.0}) for i in range(4)})
    kept = Candidate(BEST, {100 + i: Measured(validation={"t0.mse": 0.05 * i, "t0.error": 0.0}) for i in range(4)})
    searched = [replace(each, values={**each.values, "t0.error": 0.0}) for each in SEARCHED]
    found = worked_out(material(define(document), searched=searched, candidates=[kept, broken]))["ranges"][PATH]
    assert found["high"] < 1.5
    assert " and keeps the constraints, 95 % sure; " in found["sentence"]


def test_without_fresh_seeds_the_noise_is_that_of_the_references() -> None:
    anchors = [AnchorRecord("reference", "t0.mse", 0.0, 0.1, (1, 2, 3))]
    found = worked_out(material(candidates=[], anchors=anchors))
    assert (found["noise"]["std"], found["noise"]["of"]) == (pytest.approx(0.1), "reference trainings")
    assert found["ranges"][PATH]["delta"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"candidates": []}, "how much the value differs from seed to seed is not known"),
        ({"candidates": [], "best": None}, "no feasible search trial has a finite value"),
        ({"searched": SEARCHED[8:11]}, "fewer than 5 search trials have a value"),
        ({"candidates": [again(BEST, 0.0, std=0.0)]}, "the value does not differ from seed to seed"),
        ({"candidates": [again(BEST, 0.0, std=1e-9)]}, "the value does not differ from seed to seed"),  # its last bits alone
    ],
)
def test_where_there_are_no_ranges_it_says_why(changes: dict[str, Any], why: str) -> None:
    found = worked_out(material(**changes))
    assert found["ranges"] == {}
    assert found["noise"]["why"].startswith(why)


def test_a_trial_that_exploded_hides_no_range() -> None:
    exploded = [replace(each, value=-1e6) if each is SEARCHED[-1] else each for each in SEARCHED]
    found = worked_out(material(searched=exploded))
    assert found["noise"]["why"] is None
    assert found["ranges"][PATH]["low"] < 1.0


def test_a_baseline_that_exploded_on_fresh_seeds_hides_no_range() -> None:
    rival = replace(trial(30, {PATH: 90.0}, role=Role.BASELINE, value=-1e6, weights={PATH: 90.0}), rule="equal")
    assert worked_out(material(candidates=[again(BEST, 0.0), again(rival, -1e6)]))["noise"]["why"] is None


def test_a_winner_older_than_the_latest_trials_is_among_the_evidence() -> None:
    found = worked_out(material(searched=[each for each in SEARCHED if each is not BEST]))
    assert found["ranges"][PATH]["best"] == pytest.approx(1.0)


def test_a_failure_is_kept_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(importance, "importances", broken)
    monkeypatch.setattr(matters, "beliefs", broken)
    found = worked_out(material())
    assert (found["shares"], found["ranges"]) == ({}, {})
    assert found["untold"]["objective"] == "the evaluation failed: ZeroDivisionError: oh"
    assert found["noise"]["why"] == "the evaluation failed: ZeroDivisionError: oh"
