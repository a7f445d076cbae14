"""Stored trials as Optuna's, made once for each record: of 500 that takes longer than to suggest from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search.definition.weights import SharedWeight, WeightChoice
from storage.records import TrialRecord, TrialState, Values

PICKLED = ":optimizer:"
"""What Optuna's CMA-ES keeps as a pickle, in a study of an earlier version: it reaches no sampler."""
STATE_OF = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.DIVERGED: OptunaState.PRUNED,  # observed as failed, it would be forgotten and tried again nearby
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.WAITING: OptunaState.RUNNING,
}

MOST = 4_000
"""Records whose trials are kept; past them all are made anew."""

_MADE: dict[int, tuple[TrialRecord, Any, FrozenTrial | None]] = {}
"""By the record's identity: an entry holds its record, so that no other can have it."""


class _Handed(FrozenTrial):
    """A trial that many studies take: copied without its dicts, which nobody changes. A deep copy of 500 takes 40 ms.

    Its constraints are read off once: TPE asks for those of all trials before each suggestion.
    """

    _read: dict[str, float]

    @property
    def constraints(self) -> dict[str, float]:
        return self._read

    def __deepcopy__(self, memo: Any) -> _Handed:
        copied = _Handed.__new__(_Handed)
        copied.__dict__.update(self.__dict__)  # a study gives it a number of its own
        return copied


def frozen(
    record: TrialRecord,
    searched: Mapping[str, SharedWeight],
    distributions: dict[str, BaseDistribution],
    values: tuple[float, ...] | None,
) -> FrozenTrial | None:
    """Return the stored trial as Optuna's, or None for one that the sampler does not observe (failed, cancelled).

    `values` are what it is worth; a complete trial without them is observed as pruned.
    """
    if not record.ended:
        return _made(record, searched, distributions, values)
    kept = _MADE.get(id(record))
    if kept is not None and kept[1] == (values, distributions):
        return kept[2]
    made = _made(record, searched, distributions, values)
    if len(_MADE) >= MOST:
        _MADE.clear()
    _MADE[id(record)] = (record, (values, distributions), made)
    return made


def _made(
    record: TrialRecord,
    searched: Mapping[str, SharedWeight],
    distributions: dict[str, BaseDistribution],
    values: tuple[float, ...] | None,
) -> FrozenTrial | None:
    state = STATE_OF.get(record.state)
    if state is None and record.trained:  # without an objective: as one that diverged
        state = OptunaState.PRUNED
    if state is OptunaState.COMPLETE and values is None:
        state = OptunaState.PRUNED
    if state is None:
        return None
    # What a pruned trial was judged by at its last epoch; a trial that diverged has no such number.
    judged = record.state is TrialState.PRUNED and record.value is not None and math.isfinite(record.value)
    made = create_trial(
        state=state,
        values=values if state is OptunaState.COMPLETE else None,
        params=_to_optuna(searched, record.parameters),
        distributions=distributions,
        system_attrs={name: value for name, value in record.sampler_state.items() if PICKLED not in name},
        intermediate_values={record.epochs: float(record.value)} if judged and record.value is not None else None,
        constraints=dict(record.violations) if judged or state is OptunaState.COMPLETE else None,
    )
    read = made.constraints
    made.__class__ = _Handed
    assert isinstance(made, _Handed)
    made._read = read
    return made


def _to_optuna(searched: Mapping[str, SharedWeight], drawn: Values) -> dict[str, float]:
    return {path: _index(searched[path], value) for path, value in drawn.items()}


def _index(weight: SharedWeight, value: float) -> float:
    return sorted(weight.values).index(value) if isinstance(weight, WeightChoice) else value
