"""A study that ends with an answer by delta_m: references, equal weights, a search, and its best again on fresh seeds.

delta_m is the mean relative change of the tasks' metrics against each task trained alone, in percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from benchmarks import problems
from benchmarks.answers import EQUAL, Answer, Confirmed, answered, difference_text
from benchmarks.options import Options
from benchmarks.problems import LOSS, Problem
from benchmarks.scripts import Job, timed
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import serving

TOP, SEEDS, REFERENCE_SEEDS, POINTS = 3, 8, 3, 15
PEER_SEEDS = 1
"""Seeds of references and confirmation on which the script is timed, unless it is asked for the whole study."""
HEADER = ("", "w_left", "left / (left + right)", "delta_m, %", "std over seeds", "accuracy", "squared error")
CAPTION = (
    "{title}, {epochs} epochs, batch {batch_size}, Adam {learning_rate:g}; one worker over HTTP, SQLite. Search of {trials} trials "
    "by TPE, w_left on a log range of {low:g} to {high:g} beside w_right 1; each task alone on {references} seeds before it, the "
    "best {top} and the baselines on {seeds} fresh seeds after it. Means over those seeds, test split. Search seed {seed}."
)


def overlay(options: Options) -> Table:
    """Answer digits-overlay, beside 15 log-spaced weights confirmed the same way and the same study as a script."""
    problem = problems.balanced_overlay(quick=options.quick)
    points = 3 if options.quick else POINTS
    rows: list[Confirmed] = []
    ratios: list[Ratio] = []
    with serving(problem, workers=1) as service:
        for seed in range(options.runs_or(1)):
            found = answered(service, definition(problem, options, seed, baselines=[EQUAL]))
            grid = answered(service, on_a_grid(problem, options, seed, points))
            rows += [*_candidates(found), replace(grid.winner, name=f"best of {points} points, {grid.winner.name}")]
            ratios += [*_answers(problem, found), *_beside_grid(found, grid, points)]
    if "script" in options.peers:
        ratios += _beside_script(problem, options, found.seconds)
    return _table(problem, options, rows, ratios)


def multi_mnist(options: Options) -> Table:
    """Answer Multi-MNIST CL_RR, uncertainty weighting among the baselines."""
    problem = problems.balanced_multi_mnist(quick=options.quick, rows=options.rows, file=options.mnist)
    rows: list[Confirmed] = []
    ratios: list[Ratio] = []
    with serving(problem, workers=1) as service:
        for seed in range(options.runs_or(1)):
            found = answered(service, definition(problem, options, seed, baselines=[EQUAL, "uncertainty"]))
            rows += _candidates(found)
            ratios += _answers(problem, found)
    return _table(problem, options, rows, ratios)


def definition(
    problem: Problem, options: Options, seed: int, *, baselines: Sequence[str], sampler: str = "tpe", trials: int | None = None
) -> dict[str, Any]:
    """Return the problem's study as one that ends with an answer by delta_m."""
    document = problem.definition(sampler=sampler, seed=seed, trials=trials)
    document["objective"]["aggregate"] = "delta_m"
    document["search"] |= {
        "references": {"seeds": _reference_seeds(options)},
        "baselines": list(baselines),
        "confirmation": {"top": TOP, "seeds": _seeds(options)},
    }
    return document


def on_a_grid(problem: Problem, options: Options, seed: int, points: int) -> dict[str, Any]:
    """Return the study of evenly spaced weights (log scale): all of them are finalists, and the best meets equal weights."""
    document = definition(problem, options, seed, baselines=[EQUAL], sampler="grid", trials=points)
    document["search"]["confirmation"] |= {"top": points, "trainings": 1000}
    return document


def _seeds(options: Options) -> int:
    return options.seeds or (2 if options.quick else SEEDS)


def _reference_seeds(options: Options) -> int:
    return 1 if options.quick else REFERENCE_SEEDS


def _candidates(answer: Answer) -> list[Confirmed]:
    winner = answer.winner
    return [replace(winner, name=f"winner, {winner.name}"), *answer.baselines()]


def _answers(problem: Problem, answer: Answer) -> Iterator[Ratio]:
    """Yield what one study says: its verdict, the gain over each baseline, and how much the search flattered its winner."""
    optimism = float(answer.confirmation["optimism"])
    yield Ratio("verdict", answer.against(EQUAL)[0], answer.sentence)
    yield Ratio("optimism", optimism, f"optimism (search score minus confirmed score): {optimism:+.1f} points")
    for baseline in answer.baselines():
        gain = answer.against(baseline.name)
        yield Ratio(f"gain over {baseline.name}", gain[0], f"winner minus {baseline.name}: {difference_text(gain)} points")
    trainings = len(answer.trials)
    yield Ratio("seconds", answer.seconds, f"the whole study, {trainings} trainings: {answer.seconds:.0f} s")


def _beside_grid(found: Answer, grid: Answer, points: int) -> Iterator[Ratio]:
    behind = grid.winner.mean - found.winner.mean
    text = f"best of {points} log-spaced weights, confirmed the same way, minus the winner: {behind:+.1f} points"
    yield Ratio("behind the best of a grid", behind, f"{text} ({grid.seconds:.0f} s, {len(grid.trials)} trainings)")


def _beside_script(problem: Problem, options: Options, seconds: float) -> Iterator[Ratio]:
    """Yield how long a careful script takes for the same study; timed on a part of it, unless all of it is asked for."""
    whole = trainings(problem, problem.trials, _reference_seeds(options), _seeds(options))
    job = Job(problem=problem, trials=options.peer_trials or problem.peer_trials, seed=0, references=1, confirmations=PEER_SEEDS)
    if options.same_trials:
        job = job.model_copy(
            update={"trials": problem.trials, "references": _reference_seeds(options), "confirmations": _seeds(options)}
        )
    measured = timed("careful_script", [job])
    count = int(measured.details["trainings"])
    expected = measured.seconds / count * whole
    how = "measured" if count == whole else f"extrapolated from {count} trainings in {measured.seconds:.1f} s"
    text = f"the same study of {whole} trainings as a script, one compile and fit after another: {expected:.0f} s ({how})"
    yield Ratio("seconds of the script", expected, f"{text}, {expected / seconds:.1f}x as long")


def trainings(problem: Problem, trials: int, references: int, confirmations: int) -> int:
    """Return how many trainings the study has: each task alone, equal weights, the search, and all of them confirmed."""
    tasks = len(problem.tasks)
    return tasks * references + 1 + trials + (tasks + 1 + min(TOP, trials)) * confirmations


def _table(problem: Problem, options: Options, rows: Sequence[Confirmed], ratios: Sequence[Ratio]) -> Table:
    left = problem.tasks[0]
    caption = CAPTION.format(
        title=problem.title,
        epochs=problem.epochs,
        batch_size=problem.batch_size,
        learning_rate=problem.learning_rate,
        trials=problem.trials,
        low=left.low,
        high=left.high,
        references=_reference_seeds(options),
        top=TOP,
        seeds=_seeds(options),
        seed=" and ".join(str(seed) for seed in range(options.runs_or(1))),
    )
    lines = tuple(_line(problem, row) for row in rows)
    return Table(problem.name, caption, HEADER, lines, tuple(ratios), record=[asdict(row) for row in rows])


def _line(problem: Problem, row: Confirmed) -> tuple[str, ...]:
    left, right = (row.weights[f"{task.name}.{LOSS}"] for task in problem.tasks)
    accuracy, error = (row.metrics[f"{task.name}.{task.metric}"] for task in problem.tasks)
    weights = ("", "moves") if row.name == "uncertainty" else (f"{left:.4g}", f"{left / (left + right):.3f}")
    return (row.name, *weights, f"{row.mean:+.1f}", f"{row.std:.1f}", f"{accuracy:.4f}", f"{error:.4f}")
