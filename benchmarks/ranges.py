"""Played studies with known curves: does a stated range hold truly worse values, and how much of the true range?

Searched by the real sampler on one shared seed; three finalists and two baselines train on two fresh seeds, then the winner and the
best baseline on eight more. Then the model and the rule of `search.analysis.profiles`, as a worker applies them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.options import Options
from benchmarks.played_curves import CURVES, Array, World
from benchmarks.table import Ratio, Table
from search.analysis.profiles import Finding, profile
from search.definition.schema import StudyDefinition
from search.planning.finalists import finalists
from search.sampling.beliefs import Beliefs, SeedTraining, beliefs
from search.sampling.suggest import DrawIndex, batch_limit, suggest
from storage.records import Role, TrialRecord, TrialState, Values

RUNS = 20
TRIALS = (12, 24, 40, 60)
NOISES = (0.05, 0.1, 0.25)
ALL_MEET, LAST_MEET = 2, 8
HEADER = ("parameters", "trials", "studies", "range holds worse", "says worse of as good", "found", "said worse", "no answer")
CAPTION = (
    "Shares of played studies. `range holds worse`: a value of the stated range costs more than delta against the winner, truly; "
    "`says worse of as good`: a value said to be worse does not. Shares of values: of those truly within delta of the winner, "
    "`found` lie in the range; of those truly worse, `said worse`; `no answer` of all. Curves: {curves}; noise {noises} of the "
    "curve's height."
)


@dataclass(frozen=True)
class Score:
    """How one parameter's range of one study compares with the truth."""

    dims: int
    curve: str
    noise: float
    trials: int
    holds_worse: bool
    wrongly_worse: bool
    found: float
    said_worse: float
    untold: float


def table(options: Options) -> Table:
    """Play studies of one and two parameters, and of three with 40 trials."""
    plan = [(1, TRIALS), (2, TRIALS), (3, (40,))] if not options.quick else [(1, (12,))]
    scores = [each for dims, counts in plan for each in _played(dims, counts, options)]
    lines = [_line(dims, trials, scores) for dims, counts in plan for trials in (*counts, None)]
    curves = "; ".join(f"{dims}: {', '.join(CURVES[dims])}" for dims, _ in plan)
    caption = CAPTION.format(curves=curves, noises=", ".join(map(str, NOISES)))
    notes = tuple(
        _by_curve(name, [each for each in scores if each.curve == name]) for name in dict.fromkeys(e.curve for e in scores)
    )
    return Table("ranges", caption, HEADER, tuple(lines), notes, record=[asdict(each) for each in scores])


def _played(dims: int, counts: Sequence[int], options: Options) -> Iterator[Score]:
    for name, curve in CURVES[dims].items():
        for noise in NOISES[1:2] if options.quick else NOISES:
            for trials in counts:
                for run in options.search_seeds or range(options.runs_or(RUNS)):
                    rng = np.random.default_rng([dims, len(name), round(100 * noise), trials, run])
                    yield from scored(World(curve, noise, dims, rng), name, trials, run)


def scored(world: World, name: str, trials: int, seed: int) -> Iterator[Score]:
    """Play one study and score the range of each of its parameters."""
    definition = _definition(world.dims, trials, seed)
    searched = _search(definition, world, trials)
    believed, winner, delta = _met(definition, world, searched)
    for dim, path in enumerate(believed.places.axes):
        found = profile(believed, winner, path, delta)
        at = _places(believed, [{**winner.parameters, path: value} for value in found.values])[:, dim]
        truth = world.profile(dim, at) >= world.true(_places(believed, [winner.parameters])[0]) - delta
        good = np.array([each is Finding.AS_GOOD for each in found.answers])
        worse = np.array([each is Finding.WORSE for each in found.answers])
        yield Score(
            dims=world.dims,
            curve=name,
            noise=world.noise,
            trials=trials,
            holds_worse=bool((good & ~truth).any()),
            wrongly_worse=bool((worse & truth).any()),
            found=float((good & truth).sum() / truth.sum()),
            said_worse=float((worse & ~truth).sum() / (~truth).sum()) if (~truth).any() else float("nan"),
            untold=float((~good & ~worse).mean()),
        )


def _definition(dims: int, trials: int, seed: int) -> StudyDefinition:
    weight = {"low": 0.01, "high": 10.0, "scale": "log"}
    losses = [{"name": f"w{i}", "loss": "mean_squared_error", "weight": weight} for i in range(dims)]
    document: dict[str, Any] = {
        "workload": {"name": "played"},
        "tasks": [{"name": "task", "losses": losses, "metrics": [{"name": "value", "metric": "value", "direction": "maximize"}]}],
        "objective": {"metrics": [{"metric": "task.value", "direction": "maximize"}], "aggregate": "mean"},
        "search": {"trials": trials, "seed": seed},
    }
    return StudyDefinition.model_validate(document)


def _places(believed: Beliefs, drawn: Sequence[Values]) -> Array:
    return believed.places.at([believed.places.on_axes(each) for each in drawn])


def _search(definition: StudyDefinition, world: World, trials: int) -> list[TrialRecord]:
    observed: list[TrialRecord] = []
    while len(observed) < trials:
        count = min(batch_limit(definition, observed), trials - len(observed))
        for drawn in suggest(definition, observed, DrawIndex(len(observed), len(observed)), count):
            place = np.array([(np.log10(value) + 2) / 3 for value in drawn.parameters.values()])
            observed.append(_trained(len(observed), drawn.parameters, world.train(place, 0)))
    return observed


def _met(definition: StudyDefinition, world: World, searched: Sequence[TrialRecord]) -> tuple[Beliefs, TrialRecord, float]:
    """Train finalists and baselines again; return what is believed then, the winner, and the noise of one training."""
    best = finalists(definition, searched)
    paths = list(searched[0].parameters)
    rivals = [_trained(10_000 + i, dict.fromkeys(paths, weight), 0.0, Role.BASELINE) for i, weight in enumerate((1.0, 5.0))]
    places = {each.number: np.array([(np.log10(value) + 2) / 3 for value in each.parameters.values()]) for each in (*best, *rivals)}
    values: dict[int, list[float]] = {
        number: [world.train(place, 1000 + k) for k in range(ALL_MEET)] for number, place in places.items()
    }
    winner = max(best, key=lambda each: fmean(values[each.number]))
    rival = max(rivals, key=lambda each: fmean(values[each.number]))
    for each in (winner, rival):
        values[each.number] += [world.train(places[each.number], 1000 + ALL_MEET + k) for k in range(LAST_MEET)]
    again = [
        SeedTraining(number, tuple(map(float, places[number])), 1000 + k, value)
        for number, found in values.items()
        for k, value in enumerate(found)
    ]
    believed = beliefs(definition, searched, again)
    assert believed is not None, "a played search has enough trials"
    return believed, winner, believed.surrogate.noise


def _trained(number: int, parameters: Values, value: float, role: Role = Role.SEARCH) -> TrialRecord:
    blank: dict[str, Any] = {each.name: None for each in fields(TrialRecord)}
    known = {"id": number, "study_id": 0, "number": number, "role": role, "origin": "tpe", "state": TrialState.COMPLETE, "seed": 0}
    numbers = {
        "parameters": dict(parameters),
        "weights": dict(parameters),
        "value": value,
        "values": {},
        "feasible": True,
        "by_seed": {},
    }
    rest = {"sampler_state": {}, "planned_after": 0, "planned_beside": (), "violations": {}, "created_at": datetime.now(UTC)}
    counts = {"attempt": 1, "charged": 0, "epochs": 1, "sequence": number}
    return TrialRecord(**{**blank, **known, **numbers, **rest, **counts})


def _line(dims: int, trials: int | None, scores: Sequence[Score]) -> tuple[str, ...]:
    part = [each for each in scores if each.dims == dims and trials in (each.trials, None)]
    said = [each.said_worse for each in part if each.said_worse == each.said_worse]
    return (
        str(dims),
        "all" if trials is None else str(trials),
        str(len(part) // dims),
        _percent(fmean(each.holds_worse for each in part)),
        _percent(fmean(each.wrongly_worse for each in part)),
        _percent(fmean(each.found for each in part)),
        _percent(fmean(said)) if said else "-",
        _percent(fmean(each.untold for each in part)),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _by_curve(name: str, scores: Sequence[Score]) -> Ratio:
    share = fmean(each.holds_worse for each in scores)
    found = fmean(each.found for each in scores)
    text = (
        f"{name}: the range holds a worse value in {_percent(share)} of {len(scores)}, and has {_percent(found)} of the true range"
    )
    return Ratio(name, share, text)
