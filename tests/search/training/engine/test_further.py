"""Settings that take the places which a rung has left free, while those that go on wait for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from search.training.engine import ends
from search.training.engine import engine as engine_module
from search.training.engine.engine import CohortEngine
from search.training.interface import Setting
from storage.records import TrialState
from tests.search.training.engine.test_cohorts import COHORT, _definition, _engine, _new_engine, _twin
from tests.search.training.scenes import Recorder

KIND = "normalisations and dropout"
AT = 2


class Giver(Recorder):
    """Ends the settings `hopeless` at the rung, and gives each of `further` when it is asked, one after another."""

    def __init__(self, hopeless: Collection[int] = (), *further: Sequence[Setting]) -> None:
        super().__init__()
        self._hopeless, self._further = hopeless, list(further)
        self.asked: list[tuple[int, list[int]]] = []

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        return {number: "hopeless" for number in numbers if number in self._hopeless}

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        self.asked.append((epoch, list(numbers)))
        return self._further.pop(0) if self._further else ()


def at_rung(*weights: int, first: int = 0, **changes: Any) -> list[Setting]:
    """Return settings of the cohort's weights at these places, from number `first` on."""
    return [replace(Setting(first + i, 5, COHORT[place], rungs=(AT,)), **changes) for i, place in enumerate(weights)]


def test_settings_that_wait_and_those_that_come_later_each_equal_their_own_fit(float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3, 6], at_rung(1, 2, 0, first=4))
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)
    assert giver.asked == [(AT, [0])]
    assert giver.states() == {number: TrialState.PRUNED if number in (1, 2, 3, 6) else TrialState.COMPLETE for number in range(7)}
    assert [giver.ends[number].epochs for number in (0, 1, 5, 6)] == [3, AT, 3, AT]
    for place, (number, weights) in enumerate([(0, 0), (4, 1), (5, 2)]):
        assert giver.epochs(number) == [0, 1, 2, 3]
        twin = _twin(KIND, weights)
        assert giver.values(number, 3, "train") == pytest.approx(twin.train[2], abs=1e-8)
        for ours, theirs in zip(engine.variables(place)[:-1], twin.variables, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_they_come_until_the_places_of_those_that_go_on_are_full(float64: None) -> None:
    first, second, third, at = at_rung(0, 1, 1, 1), at_rung(1, 2, 0, 1, first=4), at_rung(2, 1, first=8), {"rungs": (1,)}
    engine, given = _engine(KIND, "vectorized"), [[replace(each, **at) for each in part] for part in (second, third, third)]
    giver = Giver([1, 2, 3, 4, 6, 7], *given)
    engine.train([replace(each, **at) for each in first], _definition().training, giver)
    assert giver.asked == [(1, [0]), (1, [0, 5])]
    assert giver.states() == {number: TrialState.COMPLETE if number in (0, 5, 8, 9) else TrialState.PRUNED for number in range(10)}
    for number, weights in ((0, 0), (5, 2), (8, 2), (9, 1)):
        assert giver.epochs(number) == [0, 1, 2, 3]
        assert giver.values(number, 3, "train") == pytest.approx(_twin(KIND, weights).train[2], abs=1e-8)


def test_they_come_beside_one_that_is_never_judged_where_all_that_are_judged_have_ended(float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3], at_rung(2, first=4))
    engine.train([*at_rung(0, rungs=()), *at_rung(1, 1, 1, first=1)], _definition().training, giver)
    assert giver.asked == [(AT, [0])]
    assert giver.states() == {number: TrialState.COMPLETE if number in (0, 4) else TrialState.PRUNED for number in range(5)}


def test_what_waits_keeps_nothing_of_the_stack_that_it_left() -> None:
    stack = _new_engine("dense", "vectorized")._stack(4)
    arrays = [array for kept in stack.kept([0, 3]) for array in kept]
    assert all(array.base is None for array in arrays)


def test_they_come_no_longer_once_all_of_it_takes_twice_as_many_epochs(float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3, 4, 5], at_rung(1, 2, first=4), at_rung(1, first=6))
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)  # 2 epochs, 2 for those that come, and the third
    assert giver.asked == [(AT, [0])]
    assert giver.states() == {number: TrialState.PRUNED if number else TrialState.COMPLETE for number in range(6)}


def test_more_than_have_room_go_on_in_parts(float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([2, 3], at_rung(2, 2, 2, 1, first=4))
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)
    assert giver.states() == {number: TrialState.PRUNED if number in (2, 3) else TrialState.COMPLETE for number in range(8)}
    for number, weights in ((0, 0), (1, 1), (6, 2), (7, 1)):
        assert giver.values(number, 3, "train") == pytest.approx(_twin(KIND, weights).train[2], abs=1e-8)


def test_a_round_in_which_all_diverge_leaves_those_that_wait_as_they_were(float64: None) -> None:
    at, huge = {"rungs": (1,)}, dict.fromkeys(COHORT[0], 1e308)
    first, lost = at_rung(0, 1, 1, 1, **at), at_rung(1, 1, first=4, weights=huge, **at)
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3], lost)
    engine.train(first, _definition().training, giver)
    assert giver.asked == [(1, [0]), (1, [0])]
    assert {number: giver.states()[number] for number in (0, 4, 5)} == {
        0: TrialState.COMPLETE,
        4: TrialState.DIVERGED,
        5: TrialState.DIVERGED,
    }
    assert giver.values(0, 3, "train") == pytest.approx(_twin(KIND, 0).train[2], abs=1e-8)


def test_more_than_have_room_come_in_parts(float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3, 4, 5, 6], at_rung(2, 2, 2, 1, 2, first=4))
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)
    assert giver.states() == {number: TrialState.COMPLETE if number in (0, 7, 8) else TrialState.PRUNED for number in range(9)}
    for number, weights in ((0, 0), (7, 1), (8, 2)):
        assert giver.epochs(number) == [0, 1, 2, 3]
        assert giver.values(number, 3, "train") == pytest.approx(_twin(KIND, weights).train[2], abs=1e-8)


def test_where_nothing_is_given_the_rest_goes_on_and_keeps_every_bit(float64: None) -> None:
    engine, alone, asked = _engine(KIND, "vectorized"), Recorder(), Giver([1, 2, 3])
    engine.train(at_rung(0, 1, 1, 1), _definition().training, alone)
    engine.train(at_rung(0, 1, 1, 1), _definition().training, asked)
    assert asked.asked == [(AT, [0])]
    assert asked.values(0, 3) == alone.values(0, 3)


@pytest.mark.parametrize(
    "settings",
    [
        at_rung(0, 1, 2, 1),  # three of four go on
        at_rung(0, 1, 1, 1, rungs=()),
        [*at_rung(0, 1), *at_rung(1, 1, first=2, seed=6)],  # rows in another order
    ],
)
def test_nothing_is_asked_for_where_nothing_could_be_trained_beside(settings: list[Setting], float64: None) -> None:
    engine, giver = _engine(KIND, "vectorized"), Giver([3] if settings[2].weights == COHORT[2] else [1, 2, 3])
    engine.train(settings, _definition().training, giver)
    assert giver.asked == []


def test_out_of_memory_all_that_have_not_ended_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    engine: CohortEngine = _new_engine("dense", "vectorized")
    giver, whole = Giver([1, 2, 3], at_rung(1, 2, first=4)), engine._train_epoch

    def too_large(group: Any, epoch: int, observer: Any) -> Any:
        if group.stack.size > 2 and any(setting.number == 4 for setting in group.settings):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(group, epoch, observer)

    monkeypatch.setattr(engine, "_train_epoch", too_large)
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)
    assert giver.states() == {number: TrialState.PRUNED if number in (1, 2, 3) else TrialState.COMPLETE for number in range(6)}


def test_more_than_the_engine_holds_train_in_parts(float64: None) -> None:
    """Its size may have been halved since, for want of memory, or the order may be from before the study's was."""
    engine, giver = _engine(KIND, "vectorized"), Giver([1, 2, 3, 4, 5, 6, 7], at_rung(1, 1, 1, 1, 2, 1, first=4))
    engine.train(at_rung(0, 1, 1, 1), _definition().training, giver)
    assert giver.states() == {number: TrialState.COMPLETE if number in (0, 8, 9) else TrialState.PRUNED for number in range(10)}
    for number, weights in ((0, 0), (8, 2), (9, 1)):
        assert giver.epochs(number) == [0, 1, 2, 3]
        assert giver.values(number, 3, "train") == pytest.approx(_twin(KIND, weights).train[2], abs=1e-8)


def test_out_of_memory_no_more_of_them_come() -> None:
    import tensorflow as tf

    engine: CohortEngine = _new_engine("dense", "vectorized")
    at = {"rungs": (1,)}
    first, *later = (
        [replace(each, **at) for each in part] for part in (at_rung(0, 1, 1, 1), at_rung(1, first=4), at_rung(1, first=5))
    )
    giver, whole = Giver([1, 2, 3, 4], *later), engine._train_epoch

    def too_large(group: Any, epoch: int, observer: Any) -> Any:
        if any(setting.number == 5 for setting in group.settings) and engine._size == 4:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(group, epoch, observer)

    engine._train_epoch = too_large  # type: ignore[method-assign]
    engine.train(first, _definition().training, giver)
    assert giver.asked == [(1, [0]), (1, [0])]  # not again where it began anew
    assert engine._size == 2
    assert giver.states() == {number: TrialState.COMPLETE if number in (0, 5) else TrialState.PRUNED for number in range(6)}


@pytest.mark.parametrize("when", [4, 0])  # while those that came later train, and where all go on
def test_out_of_memory_half_as_many_train_as_ran_out(when: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)  # one setting gets a stack of its own
    engine: CohortEngine = _new_engine("dense", "vectorized")
    giver, whole, sizes = Giver([5, 6, 7], at_rung(1, 2, 1, 1, first=4)), engine._train_epoch, []

    def too_large(group: Any, epoch: int, observer: Any) -> Any:
        numbers = [setting.number for setting in group.settings]
        sizes.append(group.stack.size)
        if 4 in sizes and engine._size == 4 and when in numbers and len(numbers) > 1:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(group, epoch, observer)

    monkeypatch.setattr(engine, "_train_epoch", too_large)
    engine.train(at_rung(0), _definition().training, giver)
    assert sizes[0] == 1
    assert engine._size == 2
    complete, ended = dict.fromkeys((0, 4), TrialState.COMPLETE), dict.fromkeys((5, 6, 7), TrialState.PRUNED)
    assert giver.states() == {**complete, **ended}


def test_the_time_that_is_spent_waiting_is_no_training_also_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr(engine_module, "time", clock)
    monkeypatch.setattr(ends, "time", clock)

    class Late(Giver):
        def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
            now[0] += 60.0
            return super().more(epoch, numbers)

    late = Late([1, 2, 3])
    _engine(KIND, "vectorized").train(at_rung(0, 1, 1, 1), _definition().training, late)
    assert late.asked == [(AT, [0])]
    assert [report.seconds for report in late.reports] == [0.0] * 4
