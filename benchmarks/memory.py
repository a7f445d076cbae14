"""Resident memory of a worker and its training child over many studies: of one shape, and of many shapes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import psutil

from benchmarks.options import Options
from benchmarks.problems import Problem, digits_mlp
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import Service, serving, timed_study

SAMPLE_SECONDS = 0.1
POINTS = 10
MEGABYTE = 1e6
CAPTION = (
    "One worker, digits under two hidden layers. Resident megabytes of the worker's training child and of the worker itself, "
    "sampled every 0.1 s while studies run; each line is the mean over its trials. Growth is that of a straight line through all "
    "samples of the last quarter of the trials."
)


@dataclass(frozen=True)
class Sample:
    """Memory at one moment: how many trials had ended, and bytes."""

    trials: float
    child: int
    worker: int
    pid: int


def one_shape(options: Options) -> Table:
    """Measure many trials in studies of one shape: what grows in the last quarter is a leak."""
    studies, trials = (2, 8) if options.quick else (10, 50)
    problem = digits_mlp(quick=options.quick)
    samples = list(_sampled([problem] * studies, trials))
    ratios = [
        Ratio(f"growth of the {name}", share, f"growth of the {name} over the last quarter: {share:+.2%}")
        for name, share in ((name, growth(samples, name)) for name in ("child", "worker"))
    ]
    return _table(f"memory, {studies * trials} trials in {studies} studies of one shape", samples, ratios)


def many_shapes(options: Options) -> Table:
    """Measure studies that all differ in their model: every one is traced anew, and memory must stay bounded."""
    shapes, trials = (3, 4) if options.quick else (30, 8)
    base = digits_mlp(quick=options.quick)
    widths = [16 + 2 * shape for shape in range(shapes)]
    problems = [base.model_copy(update={"options": {"model": "mlp", "hidden": [width, width]}}) for width in widths]
    samples = list(_sampled(problems, trials))
    peak = max(sample.child for sample in samples) / MEGABYTE
    children = len({sample.pid for sample in samples})
    ratios = [
        Ratio("highest of the child", peak, f"highest of the training child: {peak:.0f} MB"),
        Ratio("children", children, f"training children that were used one after another: {children}"),
    ]
    return _table(f"memory, {shapes} studies of different shapes", samples, ratios)


def _sampled(problems: Sequence[Problem], trials: int) -> Iterator[Sample]:
    """Run a study of `trials` trials a problem, one after another in one service, and yield samples all the while."""
    with serving(problems[0], workers=1) as service, ThreadPoolExecutor(1) as background:
        for place, problem in enumerate(problems):
            definition = problem.definition(seed=place, trials=trials)
            began, first, taken = time.perf_counter(), place * trials, []
            study = background.submit(timed_study, service, definition)
            while not study.done():
                taken.append((time.perf_counter() - began, _sample(service)))
                time.sleep(SAMPLE_SECONDS)
            seconds = study.result().seconds
            for after, sample in taken:
                if sample is not None:
                    yield Sample(first + trials * min(1.0, after / seconds), *sample)


def _sample(service: Service) -> tuple[int, int, int] | None:
    """Return bytes of the child and of the worker, and the child's pid; None while a child is being replaced."""
    try:
        (worker,), (child,) = service.worker_processes(), service.training_children()
        return child.memory_info().rss, worker.memory_info().rss, child.pid
    except (ValueError, psutil.NoSuchProcess):
        return None


def growth(samples: Sequence[Sample], name: str) -> float:
    """Return by what share a straight line through the last quarter's samples rises, from its own beginning to its end."""
    last = samples[-1].trials
    quarter = [sample for sample in samples if sample.trials >= 0.75 * last]
    slope, start = np.polyfit([sample.trials for sample in quarter], [getattr(sample, name) for sample in quarter], 1)
    at_its_beginning = start + slope * 0.75 * last
    return float(slope * 0.25 * last / at_its_beginning)


def _table(name: str, samples: Sequence[Sample], ratios: Sequence[Ratio]) -> Table:
    lines = []
    ends = np.linspace(0, samples[-1].trials, POINTS + 1)
    for begin, end in pairwise(ends):
        within = [sample for sample in samples if begin <= sample.trials <= end]
        if within:
            means = [float(np.mean([getattr(sample, part) for sample in within])) / MEGABYTE for part in ("child", "worker")]
            lines.append((f"{begin:.0f} to {end:.0f}", *(f"{mean:.1f}" for mean in means)))
    header = ("trials", "training child, MB", "worker, MB")
    return Table(name, CAPTION, header, tuple(lines), tuple(ratios), record=[asdict(sample) for sample in samples])
