"""What a new training process does while nobody asks it for anything."""

from __future__ import annotations

import itertools

import keras
import pytest

from search.training.child import rehearsal
from search.training.child.rehearsal import rehearse, steps
from search.training.engine.traces import traces_made


def test_a_rehearsal_traces_one_stack_and_leaves_keras_as_it_was() -> None:
    before, name, floatx = traces_made(), keras.layers.Dense(1).name, keras.config.floatx()
    for _ in steps():
        pass
    counted = [int(each.rpartition("_")[2]) if "_" in each else 0 for each in (name, keras.layers.Dense(1).name)]
    assert traces_made() - before == 2  # one to train, one to measure
    assert counted[1] - counted[0] == 1  # layers of a user's model are named as without it
    assert keras.config.floatx() == floatx


def test_a_rehearsal_stops_for_whoever_wants_something(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(rehearsal, "steps", lambda: (done.append(number) for number in itertools.count()))
    rehearse(lambda: len(done) == 3)
    assert done == [0, 1, 2]


def test_a_rehearsal_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "choose", lambda *_: 1 / 0)
    asked: list[bool] = []
    rehearse(lambda: bool(asked.append(True)))
    assert len(asked) == 2
