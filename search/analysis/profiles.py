"""A parameter's profile under the model, and which of its values are as good as the winner's. Pure functions, for workers.

The profile of a parameter at a value is the objective with all others tuned to that value, by the model's mean. Whole curves of it
are drawn from the posterior. *As good*: the largest set of values, the surest first, that cost at most `delta` against the winner
in `LEVEL` of the curves, all of them at once (Bolin and Lindgren, "Excursion and contour uncertainty regions for latent Gaussian
models", Journal of the Royal Statistical Society B, 2015); of an ordered parameter, the run of them around the winner's own value.
*Worse*: likewise, those that cost more; of a single parameter only from where something was trained (`supported`). What is neither
is not known: there are too few trials to tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from search.definition.axes import Axis
from search.sampling.beliefs import Beliefs
from search.sampling.places import value_on
from search.sampling.surrogate import Array
from storage.records import TrialRecord

LEVEL = 0.95
CURVES = 1000
POINTS = 101
"""Values of a range at which its profile is computed, both ends included, even on the scale."""

SLIVER = 5
"""A run of fewer worse values is not stated, nor one at an end of a single value: a reader would ask what is so special there."""

TUNED_AT = 5
"""The other parameters are tuned at every so many of the values."""

BEST, SPREAD, NEAR = 64, 48, 24
"""What the others are tuned among: the best tried settings, some that fill the space, and some around the winner."""


class Finding(StrEnum):
    """What is known of a value of a parameter."""

    AS_GOOD = "as good"
    WORSE = "worse"
    TOO_FEW = "not enough trials to tell"


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known along one parameter at `values`, ascending, the winner's own among them at index `winner`.

    `mean`, `low` and `high` are the profile's posterior mean and its pointwise 95 % band, in the objective's units; `peaks` the
    share of curves that have their greatest value there. `beside` is the winner's index where it is not one of the even values.
    """

    values: tuple[float, ...]
    answers: tuple[Finding, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    peaks: tuple[float, ...]
    winner: int
    beside: int | None


def profile(beliefs: Beliefs, winner: TrialRecord, path: str, delta: float) -> Profile:
    """Return the profile of a parameter against the winner, a search trial with every parameter."""
    places = beliefs.places
    axis = places.axes[path]
    best = places.on_axes(winner.parameters)
    values, own = _values(axis, best[path])
    rows = _tuned(beliefs, winner, path, values)
    rows[own] = places.at([best])[0]
    curves = beliefs.surrogate.curves(rows, CURVES)
    keeps = beliefs.keeps(rows, CURVES, beside=own)
    answers = findings(curves, own, delta, run=not axis.choices, keeps=keeps)
    if len(places.axes) == 1 and not axis.choices:
        answers = supported(answers, rows[:, 0], beliefs.surrogate.trained[:, 0])
    if not axis.choices:
        answers = without_slivers(answers)
    low, high = np.quantile(curves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    mean = beliefs.surrogate.means(rows)
    peaks = np.bincount(np.where(keeps, curves, -math.inf).argmax(axis=1), minlength=len(values)) / len(curves)
    beside = own if not axis.choices and len(values) > POINTS else None
    return Profile(tuple(values), tuple(answers), _floats(mean), _floats(low), _floats(high), _floats(peaks), own, beside)


def _floats(numbers: Array) -> tuple[float, ...]:
    return tuple(map(float, numbers))


def _values(axis: Axis, own: float) -> tuple[list[float], int]:
    """Return the values at which a profile is computed, and the place of the winner's own among them."""
    if axis.choices:
        return list(axis.choices), axis.choices.index(own)
    evenly = [value_on(axis, i / (POINTS - 1)) for i in range(POINTS)]
    values = sorted({*evenly, own})
    return values, values.index(own)


def _tuned(beliefs: Beliefs, winner: TrialRecord, path: str, values: Sequence[float]) -> Array:
    """Return the places along a parameter, with the others as the model's mean would have them there: [len(values), d]."""
    places = beliefs.places
    if len(places.axes) == 1:
        return places.at([{path: value} for value in values])
    tried = sorted(beliefs.tried, key=lambda trial: -beliefs.ranks[trial.number])[:BEST]
    drawn = [trial.parameters for trial in tried]
    pool = [winner.parameters, *drawn, *places.spread(SPREAD), *places.near(winner.parameters, NEAR)]
    others = [places.on_axes(each) for each in pool]
    rows = []
    for start in range(0, len(values), TUNED_AT):
        part = values[start : start + TUNED_AT]
        middle = part[len(part) // 2]
        at = places.at([places.moved(each, path, middle) for each in others])
        chosen = others[int(np.argmax(np.round(beliefs.allowed_means(at), 12)))]
        rows += [places.moved(chosen, path, value) for value in part]
    return places.at(rows)


def findings(curves: Array, winner: int, delta: float, *, run: bool, keeps: NDArray[np.bool_] | None = None) -> list[Finding]:
    """Return the answer at each value of curves drawn from the posterior [count, n]; `run`: as good only without a gap.

    `keeps`: where a draw keeps the constraints (all do, by default). What breaks one is worse, whatever it is worth. The winner's
    own value is as good as itself whatever the curves are.
    """
    good = curves >= curves[:, winner][:, None] - delta
    if keeps is not None:
        good &= keeps
    as_good, worse = _joint(good), _joint(~good)
    if run:
        as_good = _around(as_good, winner)
    return [
        Finding.AS_GOOD if fine else Finding.WORSE if bad else Finding.TOO_FEW for fine, bad in zip(as_good, worse, strict=True)
    ]


def supported(answers: Sequence[Finding], at: Array, trained: Array) -> list[Finding]:
    """Return the answers at coordinates `at`, ascending, with *worse* only from where something was `trained`.

    The model is as smooth everywhere as it is on the whole, so it draws a cliff wider than it is, and what lies between the last
    good training and the first bad one would be called worse up to the good one's side. There, nobody knows: there are too few
    trials to tell. Towards an end of the range a run of worse values goes on as it is.
    """
    found = list(answers)
    for answer, group in groupby(range(len(found)), key=lambda i: answers[i]):
        run = list(group)
        if answer is not Finding.WORSE:
            continue
        inside = trained[(trained >= at[run[0]]) & (trained <= at[run[-1]])]
        low, high = (float(inside.min()), float(inside.max())) if len(inside) else (math.inf, -math.inf)
        for i in run:
            before = run[0] > 0 and at[i] < low
            behind = run[-1] < len(found) - 1 and at[i] > high
            if before or behind or not len(inside):
                found[i] = Finding.TOO_FEW
    return found


def without_slivers(answers: Sequence[Finding]) -> list[Finding]:
    """Return the answers with short runs of *worse* values (`SLIVER`) as not known: less is said, and nothing else."""
    found = list(answers)
    for answer, group in groupby(range(len(found)), key=lambda i: answers[i]):
        run = list(group)
        least = 2 if run[0] == 0 or run[-1] == len(found) - 1 else SLIVER
        if answer is Finding.WORSE and len(run) < least:
            found[run[0] : run[-1] + 1] = [Finding.TOO_FEW] * len(run)
    return found


def _joint(holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest set of columns, the surest first, that hold together in `LEVEL` of the rows."""
    order = np.argsort(-holds.mean(axis=0), kind="stable")
    together = np.logical_and.accumulate(holds[:, order], axis=1).mean(axis=0) >= LEVEL
    found = np.zeros(holds.shape[1], dtype=bool)
    found[order[together]] = True
    return found


def _around(found: NDArray[np.bool_], place: int) -> NDArray[np.bool_]:
    """Return the run of found values that holds `place`."""
    gaps = np.flatnonzero(~found)
    low = gaps[gaps < place].max(initial=-1)
    high = gaps[gaps > place].min(initial=len(found))
    run = np.zeros(len(found), dtype=bool)
    run[low + 1 : high] = True
    return run
