"""Run benchmarks: `python -m benchmarks [NAME ...] [--runs 3] [--quick] [--save]`. Without a name: all of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import agreement, bounds, claims, delta_m, fit, memory, no_gain, page, problems, pruning, ranges, regret, scale
from benchmarks.options import PEERS, Options
from benchmarks.searches import Search
from benchmarks.table import Table

DROPOUT = 0.1
"""Share of a picture's values that the benchmark `frozen-trunk-dropout` drops."""

RESULTS = Path(__file__).parent / "results"


def _digits_mlp(options: Options) -> Table:
    samplers = ("tpe",) if options.quick else ("tpe", "random", "grid")
    return Search(problems.digits_mlp(quick=options.quick), options, samplers, again=not options.quick).table()


def _digits_cnn(options: Options) -> Table:
    return Search(problems.digits_cnn(quick=options.quick), _brief(options)).table()


def _multi_mnist(options: Options) -> Table:
    return Search(problems.multi_mnist(quick=options.quick, rows=options.rows, file=options.mnist), _brief(options)).table()


def _brief(options: Options) -> Options:
    """Return the options of a further search: where it shall be quick, one has shown that all peers run."""
    return replace(options, peers=options.peers[:1]) if options.quick else options


BENCHMARKS: Mapping[str, Callable[[Options], Table]] = {
    "digits-mlp": _digits_mlp,
    "digits-cnn": _digits_cnn,
    "multi-mnist": _multi_mnist,
    "big-cnn": lambda options: fit.table(problems.big_cnn(quick=options.quick), options),
    "frozen-trunk": lambda options: fit.table(problems.frozen_trunk(quick=options.quick), options),
    "frozen-trunk-dropout": lambda options: fit.table(problems.frozen_trunk(quick=options.quick, dropout=DROPOUT), options),
    "pruning": pruning.table,
    "memory": memory.one_shape,
    "memory-shapes": memory.many_shapes,
    "delta-m": delta_m.overlay,
    "multi-mnist-delta": delta_m.multi_mnist,
    "no-gain": no_gain.table,
    "agreement": agreement.table,
    "ranges": ranges.table,
    "regret": regret.table,
    "bounds": bounds.table,
    "claims": claims.table,
    "page": page.table,
    "watchers": page.watchers,
    "scale": scale.table,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, and print each table as soon as it is there."""
    given = _parser().parse_args(arguments)
    if given.mnist and not Path(given.mnist).is_file():
        sys.exit(f"there is no file {given.mnist}")
    if given.sentences and not Path(given.sentences).is_dir():
        sys.exit(f"there is no folder {given.sentences}")
    options = Options(
        runs=given.runs,
        quick=given.quick,
        peers=tuple(given.peers),
        peer_trials=given.peer_trials,
        same_trials=given.same_trials,
        workers=tuple(given.workers or ([1] if given.quick else [1, 2])),
        rows=given.rows,
        mnist=str(Path(given.mnist).resolve()) if given.mnist else None,
        sentences=str(Path(given.sentences).resolve()) if given.sentences else None,
        seeds=given.seeds if isinstance(given.seeds, int) else None,
        search_seeds=tuple(given.seeds) if isinstance(given.seeds, range) else (),
        trials=given.trials,
        minutes=given.minutes,
    )
    for name in given.names or BENCHMARKS:
        sys.stderr.write(f"{name}\n")
        table = BENCHMARKS[name](options)
        sys.stdout.write(f"{table}\n")
        sys.stdout.flush()
        if given.save:
            _save(name, table, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure Steelyard beside what it replaces.")
    parser.add_argument("names", nargs="*", type=_benchmark, metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)}")
    parser.add_argument("--runs", type=_positive, help="how often everything is measured, in turn (default 3; 5 against fit)")
    parser.add_argument("--quick", action="store_true", help="in miniature: shows that everything runs, measures nothing")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="which peers to measure beside (default: all)")
    parser.add_argument("--peer-trials", type=_positive, metavar="N", help="measure peers on so many trials")
    parser.add_argument("--same-trials", action="store_true", help="measure peers on as many trials as Steelyard")
    parser.add_argument("--workers", nargs="+", type=_positive, metavar="N", help="workers of the service (default: 1, then 2)")
    parser.add_argument("--rows", type=_positive, help="training rows of Multi-MNIST (default 20,000)")
    parser.add_argument(
        "--mnist",
        default=os.environ.get("STEELYARD_MNIST"),
        metavar="FILE",
        help="mnist.npz (default: STEELYARD_MNIST, or synthetic)",
    )
    parser.add_argument(
        "--sentences",
        default=_given("sentences"),
        metavar="FOLDER",
        help="text files of examples/sentiment_topic (default: sentences in STEELYARD_DATA, or that study is left out)",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N",
        help="fresh seeds of a confirmation (default 8); search seeds: 100..109",
    )
    parser.add_argument("--trials", type=_positive, default=10_000, metavar="N", help="trials of the page's study (default 10,000)")
    parser.add_argument("--minutes", type=float, metavar="M", help="keep the page's tab open so long, and weigh its heap")
    parser.add_argument("--save", action="store_true", help="write each result to benchmarks/results/ as JSON")
    return parser


def _given(name: str) -> str | None:
    """Return the path of what lies in the folder STEELYARD_DATA under this name, or None."""
    path = Path(os.environ.get("STEELYARD_DATA", "")) / name
    return str(path) if "STEELYARD_DATA" in os.environ and path.exists() else None


def _benchmark(text: str) -> str:
    if text not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {text!r}, only {', '.join(BENCHMARKS)}")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _seeds(text: str) -> int | range:
    first, dots, last = text.partition("..")
    if dots:
        return range(int(first), int(last) + 1)
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"expected 2 or more, got {number}: of one there is no spread")
    return number


def _save(name: str, table: Table, options: Options) -> None:
    measured_at = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    document = {"measured_at": measured_at.isoformat(), "options": asdict(options), **table.document()}
    file = RESULTS / f"{measured_at:%Y%m%d-%H%M%S}-{name}.json"
    file.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
