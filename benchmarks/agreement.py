"""The whole study of examples/digits_overlay.json under fresh search seeds: does what it says agree, and is it true?

What is true comes from one more study: a grid of 15 weights and every winner, trained on 16 seeds that chose nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import problems
from benchmarks.answers import Answer, answered
from benchmarks.options import Options
from benchmarks.scripts import ROOT
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import Service, serving
from search.catalog import find_baseline
from search.planning.looks import Judgement

EXAMPLE = ROOT / "examples" / "digits_overlay.json"
WEIGHT = "left.crossentropy"
NEEDS_NO_SEARCH = "inverse_initial_loss"
SEEDS, POINTS, TRUE_SEEDS, TRUE_SEED = range(100, 110), 15, 16, 77_000
SAME = 1e-6
HEADER = (
    "seed",
    "winner",
    "as good",
    "worse",
    "leads the other rival by",
    f"leads {NEEDS_NO_SEARCH} by",
    "verdict",
    "recommended",
    "fresh trainings",
    "behind the grid",
    "agree",
)
CAPTION = (
    "examples/digits_overlay.json under each search seed, one worker over HTTP; {weight} beside right.error 1, delta_m. "
    "`behind the grid`: the winner on {seeds} other seeds behind the best of {points} log-spaced weights; half of these seeds "
    "choose it, and the other half measure. `agree`: nothing that the answer says contradicts another part (`contradictions`)."
)

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """One search seed: its answer, what it says that contradicts itself, and how far its winner lies behind the grid's best."""

    seed: int
    answer: Answer
    contradictions: tuple[str, ...]
    behind: float

    @property
    def range(self) -> Document:
        found: Document = self.answer.best["sensitivity"]["ranges"][WEIGHT]
        return found

    def lead(self, rule: str) -> str:
        against = self.answer.confirmation["against"].get(rule)
        return "did not meet" if against is None else "{difference:+.1f} ({low:+.1f} to {high:+.1f})".format(**against)

    @property
    def other_lead(self) -> str:
        """Return what the winner leads its other rival by, and which that is."""
        return ", ".join(f"{rule} {self.lead(rule)}" for rule in self.answer.confirmation["against"] if rule != NEEDS_NO_SEARCH)

    @property
    def called(self) -> str:
        """Return what is called of the winner beside inverse initial losses."""
        against = self.answer.confirmation["against"].get(NEEDS_NO_SEARCH)
        return "did not meet" if against is None else str(against["call"])


def contradictions(best: Document, weight: str = WEIGHT) -> list[str]:
    """Return what a best-weights document of one searched weight says that cannot be true at once.

    The range's "as good" says that a weight costs at most `delta` against the winner, "worse" that it costs more; an interval
    of the verdict says what a baseline of that weight costs. Recommended is a baseline where the verdict is worse or as good, and
    never one whose weight the range calls worse.
    """
    return list(_contradictions(best, weight))


def _contradictions(best: Document, weight: str) -> Iterator[str]:
    span, confirmation = best["sensitivity"]["ranges"].get(weight), best["confirmation"]
    if span is None:
        return
    own, recommended = best["weights"][weight], best["recommended"]
    if best["sensitivity"]["trial"] != best["trial"] or not _is_in(own, [(span["low"], span["high"])]):
        yield f"the range is not around the winner's {own:g}"
    for rule, against in confirmation["against"].items():
        at = _place(best, rule, weight)
        if at is None:
            continue
        as_good, worse = _is_in(at, [(span["low"], span["high"])]), _is_in(at, span["worse"])
        said = f"{rule} ({at:.3g}) costs {against['difference']:.3g} ({against['low']:.3g} to {against['high']:.3g})"
        if as_good and against["low"] > span["delta"]:
            yield f"{said}, and the range has it as good within {span['delta']:.3g}"
        if worse and (against["high"] < span["delta"] or against["call"] in (Judgement.AS_GOOD, Judgement.WORSE)):
            yield f"{said}, {against['call']}, and the range has it as worse by more than {span['delta']:.3g}"
    rule = recommended["pick"].removeprefix("baseline:")
    is_baseline = rule != recommended["pick"]
    if (confirmation["call"] == Judgement.BETTER) and is_baseline:
        yield f"the verdict is better, and {rule} is recommended"
    if is_baseline and (at := _place(best, rule, weight)) is not None and _is_in(at, span["worse"]):
        yield f"{rule} is recommended, and the range has its {at:.3g} as worse"
    edge = span["edge"]
    if edge is not None and edge["sentence"][1:] not in confirmation["verdict"]:  # there it begins a sentence
        yield "the range may be the limit, and the verdict does not say so"


def _place(best: Document, rule: str, weight: str) -> float | None:
    """Return where a baseline lies on the searched weight's axis; None where a rule moves its weights.

    Adam divides a gradient by its size, so only the ratio of two weights counts.
    """
    baseline = find_baseline(rule)
    if baseline is None or baseline.weighting is not None:
        return None
    (other,) = (path for path in best["weights"] if path != weight)
    weights = best["baselines"][rule]["weights"]
    return float(weights[weight] / weights[other] * best["weights"][other])


def _is_in(value: float, spans: Sequence[Sequence[float]]) -> bool:
    return any(low * (1 - SAME) <= value <= high * (1 + SAME) for low, high in spans)


def table(options: Options) -> Table:
    """Answer the example under each search seed, then train its winners and the grid on seeds that nobody chose."""
    seeds = options.search_seeds or SEEDS[: options.runs_or(len(SEEDS))]
    problem = problems.balanced_overlay(quick=options.quick)
    with serving(problem, workers=1) as service:
        answers = {seed: answered(service, _example(seed, options)) for seed in seeds}
        weights = sorted({answer.best["weights"][WEIGHT] for answer in answers.values()})
        true = _trained_again(service, options, weights)
    found = [
        Trained(seed, answer, tuple(contradictions(answer.best)), behind(true, answer.best["weights"][WEIGHT]))
        for seed, answer in answers.items()
    ]
    caption = CAPTION.format(weight=WEIGHT, seeds=TRUE_SEEDS, points=POINTS)
    record = {
        "studies": [{"seed": each.seed, "best": each.answer.best, "contradictions": each.contradictions} for each in found],
        "true": [[at, by_seed] for at, by_seed in true.items()],
    }
    return Table("agreement", caption, HEADER, tuple(map(_line, found)), tuple(_counts(found)), record=record)


def _example(seed: int, options: Options) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(Path(EXAMPLE).read_text())
    definition["name"] = f"overlay-{seed}"
    definition["search"]["seed"] = seed
    if options.quick:
        definition["search"]["trials"], definition["training"]["epochs"] = 5, 2
    return definition


def _trained_again(service: Service, options: Options, weights: Sequence[float]) -> dict[float, list[float]]:
    """Return delta_m on validation by seed, of a grid over the example's range and of `weights`."""
    definition = _example(TRUE_SEED, options)
    left = definition["tasks"][0]["losses"][0]
    grid = [left["weight"]["low"] * (left["weight"]["high"] / left["weight"]["low"]) ** (i / (POINTS - 1)) for i in range(POINTS)]
    left["weight"] = {"values": sorted({*grid, *weights})}
    seeds = 2 if options.quick else TRUE_SEEDS
    definition["search"] = {
        "sampler": {"name": "grid"},
        "seed": TRUE_SEED,
        "seeds": seeds,
        "references": {"seeds": seeds},
        "baselines": [],
        "confirmation": None,
    }
    client = service.client
    study = client.wait(client.submit(definition), progress=False)
    if study["state"] != "COMPLETE":
        raise RuntimeError(f"{study['name']} is {study['state']}: {study['reason']}")
    found = {}
    for trial in client.trials(study):
        if trial["role"] == "search":
            found[trial["weights"][WEIGHT]] = [float(trial["by_seed"][str(seed)] or 0.0) for seed in trial["seeds"]]
    return {at: found[at] for at in sorted(found)}


def behind(true: Mapping[float, Sequence[float]], winner: float) -> float:
    """Return how far a winner lies behind the best weight, each half of the seeds choosing the best for the other to measure."""
    own, halves = _of(true, winner), []
    for start in (0, 1):
        best = max(true.values(), key=lambda values: fmean(values[start::2]))
        halves.append(fmean(best[1 - start :: 2]) - fmean(own[1 - start :: 2]))
    return fmean(halves)


def _of(true: Mapping[float, Sequence[float]], weight: float) -> Sequence[float]:
    return true[min(true, key=lambda at: abs(at - weight))]


def _line(found: Trained) -> tuple[str, ...]:
    span, answer = found.range, found.answer
    worse = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in span["worse"]) or "nothing"
    used = sum(trial["role"] == "confirmation" for trial in answer.trials)
    return (
        str(found.seed),
        f"{answer.best['weights'][WEIGHT]:.4g}",
        f"{span['low']:.3g} to {span['high']:.3g}, within {span['delta']:.2g}",
        worse,
        found.other_lead,
        found.lead(NEEDS_NO_SEARCH),
        str(answer.confirmation["call"]),
        str(answer.best["recommended"]["pick"]),
        str(used),
        f"{found.behind:.1f}",
        "yes" if not found.contradictions else "; ".join(found.contradictions),
    )


def _counts(found: Sequence[Trained]) -> Iterator[Ratio]:
    agree = sum(not each.contradictions for each in found)
    yield Ratio("agree", agree / len(found), f"range and verdict agree in {agree} of {len(found)}")
    better = sum(each.called == Judgement.BETTER for each in found)
    yield Ratio("called", better / len(found), f"a gain over {NEEDS_NO_SEARCH} is called in {better} of {len(found)}")
    regret = fmean(each.behind for each in found)
    yield Ratio("regret", regret, f"mean regret against the best of the grid: {regret:.2f} points")
    used = fmean(sum(trial["role"] == "confirmation" for trial in each.answer.trials) for each in found)
    yield Ratio("trainings", used, f"trainings on fresh seeds: {used:.1f} on average, beside 40 of the search")
