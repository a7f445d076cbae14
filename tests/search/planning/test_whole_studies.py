"""Whole studies played through the plan with invented results: two workers, reports, crashes and raised budgets in any order."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.planning.baselines import baselines
from search.planning.plan import End, Run, Step, plan
from search.validation.normalize import from_storage, to_storage
from search.worker.claim import again
from storage.records import Role, StudyState, TrialRecord, TrialState
from tests.search.definitions import Document, define, log_range, study
from tests.search.histories import history, waiting

GRID, RANDOM, TPE = ({"name": name} for name in ("grid", "random", "tpe"))
CURRENT = log_range(points=3, current=1.0)
ENDS = [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED]
MAX_ATTEMPTS = 3


class Play:
    """A study played by workers without a database: what claims, reports and reapers do to its rows."""

    def __init__(self, definition: StudyDefinition, size: int) -> None:
        self.definition = definition
        self.size = size
        self.budget = definition.search.trials or 0
        self.trials: list[TrialRecord] = []
        self.held: dict[str, list[int]] = {}
        self.end: End | None = None

    def claim(self, worker: str) -> None:
        """Take waiting trials, else what the plan says."""
        chosen = again([record for record in self.trials if record.state is TrialState.WAITING], self.size)
        if not chosen:
            chosen = self._planned()
        if chosen:
            self.held[worker] = [record.number for record in chosen]
            for number in self.held[worker]:
                self._change(number, state=TrialState.RUNNING, attempt=self.trials[number].attempt + 1)

    def _planned(self) -> list[TrialRecord]:
        step = self.step()
        assert step == self.step(), "a crash between plan and commit: the next claim plans the same"
        if isinstance(step, Run):
            assert 1 <= len(step.trials) <= self.size
            new = [waiting(len(self.trials) + i, planned) for i, planned in enumerate(step.trials)]
            self.trials += new
            return new
        if isinstance(step, End):
            self.end = step
        else:
            assert any(not record.ended for record in self.trials)
        return []

    def step(self) -> Step:
        """Ask the plan, with nothing but what SQL holds."""
        definition = from_storage(json.loads(json.dumps(to_storage(self.definition))), trials=self.budget)
        return plan(definition, history(definition, list(self.trials), budget=self.budget), self.size)

    def finish(self, worker: str, states: list[TrialState]) -> None:
        for place, number in enumerate(self.held.pop(worker)):
            state = states[place % len(states)]
            value = math.sin(number) if state is TrialState.COMPLETE else None
            self._change(number, state=state, value=value, sequence=number)

    def crash(self, worker: str) -> None:
        """Lose a cohort: its trials wait again, more cautiously, or fail after their last attempt."""
        lost = self.held.pop(worker)
        for number in lost:
            charged = self.trials[number].charged + 1
            state = TrialState.FAILED if charged == MAX_ATTEMPTS else TrialState.WAITING
            limit = 1 if charged == MAX_ATTEMPTS - 1 else max(1, len(lost) // 2)
            self._change(number, state=state, charged=charged, cohort_limit=limit)

    def _change(self, number: int, **fields: Any) -> None:
        self.trials[number] = replace(self.trials[number], **fields)

    def of(self, role: Role) -> list[TrialRecord]:
        return [record for record in self.trials if record.role is role]


DEFINITIONS: dict[str, list[Document]] = {
    "grid": [
        study(log_range(points=5), log_range(points=5), sampler=GRID),
        study(CURRENT, {"values": [0, 1, 2]}, sampler=GRID),
        study("w", "w", {"values": [3, 1]}, shared={"w": {"low": 0, "high": 1, "points": 4, "current": 2}}, sampler=GRID),
    ],
    "random": [study(CURRENT, log_range(), sampler=RANDOM, trials=trials) for trials in (1, 7, 30)],
    "tpe": [study(CURRENT, {"values": [1, 2, 3]}, sampler=TPE, trials=trials) for trials in (1, 20, 27)],
}


class StudyMachine(RuleBasedStateMachine):
    """Two workers, any interleaving of cohorts, reports, crashes and raised budgets."""

    samplers = ("grid", "random")

    @initialize(data=st.data(), size=st.integers(1, 20))
    def begin(self, data: st.DataObject, size: int) -> None:
        documents = [document for sampler in self.samplers for document in DEFINITIONS[sampler]]
        self.play = Play(define(data.draw(st.sampled_from(documents))), size)

    @precondition(lambda self: self.play.end is None and len(self.play.held) < 2)
    @rule()
    def claim(self) -> None:
        self.play.claim("a" if "a" not in self.play.held else "b")

    @precondition(lambda self: self.play.held)
    @rule(data=st.data(), states=st.lists(st.sampled_from(ENDS), min_size=1, max_size=4))
    def finish(self, data: st.DataObject, states: list[TrialState]) -> None:
        self.play.finish(data.draw(st.sampled_from(sorted(self.play.held))), states)

    @precondition(lambda self: self.play.held)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.play.crash(data.draw(st.sampled_from(sorted(self.play.held))))

    @precondition(lambda self: self.play.end is not None)
    @rule()
    def ask_again(self) -> None:
        assert self.play.step() == self.play.end

    @precondition(lambda self: self.play.definition.search.sampler.name != "grid")
    @rule(more=st.integers(1, 5))
    def raise_budget(self, more: int) -> None:
        self.play.budget += more
        self.play.end = None

    @invariant()
    def no_search_trial_is_beyond_the_budget(self) -> None:
        assert len(self.play.of(Role.SEARCH)) <= self.play.budget

    @invariant()
    def the_baseline_comes_first_and_once(self) -> None:
        wanted = list(baselines(self.play.definition)) if self.play.trials else []
        assert [record.rule for record in self.play.of(Role.BASELINE)] == wanted
        assert all(record.number == 0 for record in self.play.of(Role.BASELINE))

    @invariant()
    def no_point_of_a_grid_comes_twice(self) -> None:
        if self.play.definition.search.sampler.name == "grid":
            points = [tuple(record.parameters.items()) for record in self.play.of(Role.SEARCH)]
            assert len(set(points)) == len(points)

    @invariant()
    def a_study_ends_when_all_is_finished(self) -> None:
        if self.play.end is not None:
            assert all(record.ended for record in self.play.trials)
            assert len(self.play.of(Role.SEARCH)) == self.play.budget

    def teardown(self) -> None:
        """Let the study run to its end: exactly its budget, and FAILED just where nothing is complete."""
        while hasattr(self, "play") and self.play.end is None:
            for worker in list(self.play.held):
                self.play.finish(worker, ENDS)
            self.play.claim("a")
        if hasattr(self, "play"):
            self.check_end()

    def check_end(self) -> None:
        ended = self.play.of(Role.SEARCH)
        complete = any(record.state is TrialState.COMPLETE for record in ended)
        assert self.play.end is not None
        assert self.play.end.state is (StudyState.COMPLETE if complete else StudyState.FAILED)
        assert len(ended) == self.play.budget
        if self.play.definition.search.sampler.name == "grid":
            expected = {
                tuple(SearchSpace(self.play.definition).grid_point(i).items())
                for i in range(SearchSpace(self.play.definition).grid_size())
            }
            assert {tuple(record.parameters.items()) for record in ended} == expected


class LearningStudyMachine(StudyMachine):
    samplers = ("tpe",)


TestAnyStudy = StudyMachine.TestCase
TestAnyStudy.settings = settings(deadline=None, derandomize=True, max_examples=40, stateful_step_count=20)
TestAnyLearningStudy = LearningStudyMachine.TestCase
TestAnyLearningStudy.settings = settings(deadline=None, derandomize=True, max_examples=6, stateful_step_count=12)


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_study_after_a_crash_goes_on_as_if_nothing_had_happened(sampler: str) -> None:
    """The same outcomes in the same order give the same trials, whichever worker trained them and however often one was lost."""
    definition = define(DEFINITIONS[sampler][-1])
    calm, stormy = Play(definition, 4), Play(definition, 4)
    while calm.end is None:
        calm.claim("a")
        for worker in list(calm.held):
            calm.finish(worker, ENDS)
    while stormy.end is None:
        stormy.claim("a")
        if "a" in stormy.held and all(stormy.trials[number].charged == 0 for number in stormy.held["a"]):
            stormy.crash("a")
            continue
        for worker in list(stormy.held):
            for number in stormy.held[worker]:
                state = calm.trials[number].state
                stormy.held["one"] = [number]
                stormy.finish("one", [state])
            del stormy.held[worker]
    assert [record.parameters for record in stormy.trials] == [record.parameters for record in calm.trials]


def test_a_grid_of_25_under_two_workers_has_25_points_each_once() -> None:
    play = Play(define(DEFINITIONS["grid"][0]), 3)
    while play.end is None:
        play.claim("a")
        play.claim("b")
        for worker in list(play.held):
            play.finish(worker, [TrialState.COMPLETE])
    assert len({tuple(record.parameters.items()) for record in play.trials}) == len(play.trials) == 25
