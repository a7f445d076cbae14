"""What a worker keeps of its questions to a sampler."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.sampling.suggest import DrawIndex
from search.worker.planning_memory import PlanningMemory, Unanswered
from storage.records import TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial


def test_an_answer_holds_while_other_workers_report_epochs_and_not_once_a_trial_of_theirs_has_ended() -> None:
    definition = define(study(log_range(), sampler={"name": "tpe"}, trials=64))
    ended = [trial(number, {"t0.error": 1.0 + number}, value=-float(number)) for number in range(12)]
    running = trial(12, {"t0.error": 0.5}, state=TrialState.RUNNING, epochs=3)
    memory, place = PlanningMemory(), DrawIndex(13, 13)
    with pytest.raises(Unanswered) as asked:
        memory.ask_under_lock(definition, [*ended, running], place, 2, ())
    memory.answer(asked.value.question)
    later = [*ended, replace(running, epochs=4)]
    assert len(memory.ask_under_lock(definition, later, place, 2, ())) == 2
    with pytest.raises(Unanswered):
        memory.ask_under_lock(definition, [*ended, replace(running, state=TrialState.COMPLETE, value=0.0)], place, 2, ())
