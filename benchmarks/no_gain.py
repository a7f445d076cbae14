"""Studies on which nothing can be gained: none may end with the verdict "better"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import problems
from benchmarks.answers import EQUAL, Answer, answered, difference_text
from benchmarks.options import Options
from benchmarks.problems import Problem
from benchmarks.scripts import ROOT
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import serving

RUNS, SEEDS = 5, 8
SPLIT_DIGITS = 4
BETTER = "better"
EXAMPLE = ROOT / "examples" / "sentiment_topic" / "study.json"
HEADER = ("study", "search seed", "searched weight", "winner minus equal, 95 % interval", "verdict", "s")
CAPTION = (
    "Whole studies, one worker over HTTP: the best of 3 finalists and equal weights on up to {seeds} fresh seeds, test split, "
    "accuracy averaged over both tasks. twins: {twins}, one trunk and two heads that are asked the same. sentiment-topic: "
    "examples/sentiment_topic as it is, {where}."
)


@dataclass(frozen=True)
class Judged:
    """One study, its search seed, and what it answered."""

    study: str
    seed: int
    answer: Answer

    @property
    def as_it_is(self) -> bool:
        """Whether the verdict claims no gain."""
        return bool(self.answer.confirmation["call"] != BETTER)


def table(options: Options) -> Table:
    """Judge each study under several search seeds."""
    twins = problems.twins(quick=options.quick)
    seeds = options.search_seeds or range(options.runs_or(RUNS))
    found = list(_judged(twins, [_of_twins(twins, options, seed) for seed in seeds]))
    if options.sentences is not None:
        problem = _sentences(options.sentences)
        found += _judged(problem, [_example(problem, options, seed) for seed in seeds])
    where = "on the sentences of a folder" if options.sentences else "left out: no --sentences FOLDER"
    caption = CAPTION.format(seeds=_seeds(options), twins=f"{twins.epochs} epochs, {twins.trials} trials", where=where)
    lines = tuple(_line(each) for each in found)
    record = [{"study": each.study, "seed": each.seed, "confirmation": each.answer.confirmation} for each in found]
    return Table("no-gain", caption, HEADER, lines, tuple(_counts(found)), record=record)


def _judged(problem: Problem, definitions: list[dict[str, Any]]) -> Iterator[Judged]:
    with serving(problem, workers=1) as service:
        for definition in definitions:
            yield Judged(problem.name, definition["search"]["seed"], answered(service, definition))


def _of_twins(problem: Problem, options: Options, seed: int) -> dict[str, Any]:
    return _judging(problem.definition(seed=seed), options)


def _judging(definition: dict[str, Any], options: Options) -> dict[str, Any]:
    """Return the study with equal weights as its baseline, and as many fresh seeds as are asked for."""
    definition["search"] |= {"baselines": [EQUAL], "confirmation": {"seeds": _seeds(options)}}
    return definition


def _seeds(options: Options) -> int:
    return options.seeds or (2 if options.quick else SEEDS)


def _sentences(folder: str) -> Problem:
    """Return the example's workload and its sentences, trained as its study says."""
    return Problem(
        name="sentiment-topic",
        workload="sentiment-topic",
        options={"folder": folder},
        place="examples.sentiment_topic.workload:SentimentTopic",
        tasks=(),
        epochs=1,
        batch_size=1,
        trials=1,
        peer_trials=1,
    )


def _example(problem: Problem, options: Options, seed: int) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(Path(EXAMPLE).read_text())
    definition["name"] = f"{problem.name}-{seed}"
    definition["workload"]["options"] = dict(problem.options)
    definition["search"]["seed"] = seed
    if options.quick:
        definition["search"]["trials"], definition["training"]["epochs"] = 2, 1
    return _judging(definition, options)


def _line(judged: Judged) -> tuple[str, ...]:
    answer = judged.answer
    equal = EQUAL if EQUAL in answer.confirmation["against"] else "current"
    weight = next(value for value in answer.winner.weights.values() if value != 1.0)
    gain = difference_text(answer.against(equal), SPLIT_DIGITS)
    return (judged.study, str(judged.seed), f"{weight:.3g}", gain, str(answer.confirmation["call"]), f"{answer.seconds:.0f}")


def _counts(found: list[Judged]) -> Iterator[Ratio]:
    for study in dict.fromkeys(each.study for each in found):
        mine = [each for each in found if each.study == study]
        right = sum(each.as_it_is for each in mine)
        yield Ratio(study, right / len(mine), f"{study}: no gain claimed in {right} of {len(mine)}")
