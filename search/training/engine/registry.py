"""The engines by name."""

from __future__ import annotations

from search.errors import PreflightError
from search.names import listed
from search.training.engine.engine import CohortEngine
from search.training.engine.strategies import STRATEGIES
from search.training.interface import Engine
from search.training.problem.problem import TrainingProblem


def made_engine(name: str, problem: TrainingProblem, cohort_size: int) -> Engine:
    """Return the engine `name` for a problem, for cohorts of at most `cohort_size` settings."""
    if name not in STRATEGIES:
        text = f"this worker has no engine {name!r}, only {listed(STRATEGIES)}: is it older than the study?"
        raise PreflightError("unknown_engine", text)
    return CohortEngine(problem, STRATEGIES[name], cohort_size)
