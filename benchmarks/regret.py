"""Played studies with known curves: how far the winner lies behind the best place, and how often a gain is claimed.

A study is played through the real plan (`benchmarks.players`): suggestions, finalists by the model, the choice and the looks. A
training measures the curve at its weight and the noise of `benchmarks.played_curves.World`. Unit: s, the standard deviation of one
training. Beside it the rule before this one, on the same search: the three best that lie apart and all baselines on 8 fresh seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks.options import Options
from benchmarks.played_curves import CURVES, Array, World
from benchmarks.players import WORTH, Player, definition
from benchmarks.table import Ratio, Table
from search.planning.finalists import finalists
from search.planning.looks import Judgement, half_width
from storage.records import Role

LEADS = (0.0, 1.0, 2.0, 4.0)
"""By how much the best place truly leads the best baseline, in s."""

BASELINES = {"equal": 0.5, "current": 0.85, "inverse_initial_loss": 0.15}
"""Where each baseline lies in its range, from 0 to 1; moved so that the best of them lies at the best place where the lead is 0."""

TRIALS, RUNS, STEPS = 40, 5, 601
NOW, BEFORE = "now", "before"
BEFORE_SEEDS, BEFORE_ERROR, FIRST_SEED = 8, 0.005, 500_000
HEADER = ("true lead", "rule", "studies", "better", "as good", "worse", "not enough", "regret, s", "fresh trainings")
CAPTION = (
    "Played studies of one weight, {trials} trials of TPE, {baselines} baselines, curves: {curves}; fresh seeds take at most 1.5 "
    "times the search's trainings. Shares of studies by verdict. `regret`: how far the winner truly lies behind the best place. "
    "`before`: three finalists and all baselines on 8 fresh seeds, better at 99 % over equal weights and the best baseline, else "
    '"within noise".'
)


@dataclass(frozen=True)
class Played:
    """What one rule said of a played study, and what is true, in s: the best place's `lead` over the best baseline, the winner's
    `regret`. `call` is None for "within noise"."""

    lead: float
    rule: str
    call: Judgement | None
    regret: float
    trainings: int


def play(curve_name: str, lead: float, seed: int, trials: int = TRIALS) -> list[Played]:
    """Play one study on a known curve, whose noise is such that the best place leads the best baseline by `lead` times it.

    Returns what is said now, and what was said before of the same search.
    """
    curve = CURVES[1][curve_name]
    grid: Array = np.linspace(0, 1, STEPS)
    values = curve(grid[:, None])
    best = float(values.max())
    baselines = dict(BASELINES)
    if lead == 0:
        baselines["equal"] = float(grid[int(values.argmax())])
    behind = best - max(float(curve(np.array([[at]]))[0]) for at in baselines.values())
    noise = behind / lead if lead and behind > 0 else 0.1
    world = World(curve, noise, 1, np.random.default_rng([seed, len(curve_name)]))
    player = Player(definition(seed, trials), {WORTH: world}, baselines)
    found = player.verdict()
    assert found is not None
    before, winner, trainings = _before(player, world)

    def regret(at: float) -> float:
        return (best - world.true(np.array([at]))) / noise

    now = Played(lead, NOW, found.call, regret(player.place(found.winner.trial)), found.trainings)
    return [now, Played(lead, BEFORE, before, regret(winner), trainings)]


def _before(player: Player, world: World) -> tuple[Judgement | None, float, int]:
    """Return what the rule before this one calls the winner, where that lies, and how many trainings it takes."""
    chosen = [player.place(trial) for trial in finalists(player.definition, player.of(Role.SEARCH))]
    seeds = range(FIRST_SEED, FIRST_SEED + BEFORE_SEEDS)
    by_seed = {at: [world.train(np.array([at]), seed) for seed in seeds] for at in (*chosen, *player.baselines.values())}
    winner = max(chosen, key=lambda at: fmean(by_seed[at]))
    rivals = player.baselines["equal"], max(player.baselines.values(), key=lambda at: fmean(by_seed[at]))

    def leads(at: float) -> bool:
        differences = [mine - theirs for mine, theirs in zip(by_seed[winner], by_seed[at], strict=True)]
        mean, std = fmean(differences), stdev(differences)
        return mean > half_width(std, BEFORE_SEEDS, BEFORE_ERROR / len(chosen)) and not math.isclose(std, 0)

    call = Judgement.BETTER if all(map(leads, rivals)) else None
    return call, winner, len(by_seed) * BEFORE_SEEDS


def plays(lead: float, seeds: Sequence[int], trials: int = TRIALS) -> list[Played]:
    """Play every curve of one weight on which the lead can be; where nothing can be gained, all of them."""
    able = [name for name in CURVES[1] if lead == 0 or _may_lead(name)]
    found = [play(name, lead, 1000 * seed + place, trials) for seed in seeds for place, name in enumerate(able)]
    return [each for both in found for each in both]


def _may_lead(name: str) -> bool:
    values = CURVES[1][name](np.linspace(0, 1, STEPS)[:, None])
    return float(values.max()) - max(float(CURVES[1][name](np.array([[at]]))[0]) for at in BASELINES.values()) > 0.02


def table(options: Options) -> Table:
    """Play studies in which nothing, 1, 2 and 4 s can be gained."""
    leads = LEADS[:1] if options.quick else LEADS
    seeds = options.search_seeds or range(options.runs_or(RUNS))
    found = {lead: plays(lead, seeds, 12 if options.quick else TRIALS) for lead in leads}
    caption = CAPTION.format(trials=TRIALS, baselines=len(BASELINES), curves=", ".join(CURVES[1]))
    rows = [(lead, [each for each in some if each.rule == rule]) for lead, some in found.items() for rule in (BEFORE, NOW)]
    lines = tuple(_row(lead, some) for lead, some in rows)
    return Table("Regret and calls of played studies", caption, HEADER, lines, tuple(_ratios(rows)), record=_record_of(found))


def _ratios(rows: Sequence[tuple[float, list[Played]]]) -> Iterator[Ratio]:
    for lead, found in rows:
        name = f"better at {lead:g} s, {found[0].rule}"
        yield Ratio(name, _share(found, Judgement.BETTER), _text(lead, found))


def _record_of(found: dict[float, list[Played]]) -> list[dict[str, Any]]:
    return [asdict(each) for some in found.values() for each in some]


def _share(found: Sequence[Played], call: Judgement | None) -> float:
    return fmean(each.call is call for each in found)


def _text(lead: float, found: Sequence[Played]) -> str:
    share = _share(found, Judgement.BETTER)
    return f"{lead:g} s to be gained, {found[0].rule}: called better in {share:.1%} of {len(found)} studies"


def _row(lead: float, found: Sequence[Played]) -> tuple[str, ...]:
    rule = found[0].rule
    calls = [Judgement.BETTER, Judgement.AS_GOOD, Judgement.WORSE, Judgement.NOT_ENOUGH]
    shares = [f"{_share(found, call):.3f}" if rule == NOW or call is Judgement.BETTER else "-" for call in calls]
    regret, used = fmean(each.regret for each in found), fmean(each.trainings for each in found)
    return (f"{lead:g} s", rule, str(len(found)), *shares, f"{regret:.2f}", f"{used:.1f}")
