"""The engines by name, and which one a study gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from search.definition import StudyDefinition
from search.errors import Refused
from search.names import listed
from search.training.cohort import Engine
from search.training.problem import Problem
from search.training.serial import SerialEngine

ENGINES: Mapping[str, Callable[[Problem], Engine]] = {SerialEngine.name: SerialEngine}


def made_engine(name: str, problem: Problem) -> Engine:
    """Return the engine `name` for a problem."""
    if name not in ENGINES:
        raise Refused("unknown_engine", f"this worker has no engine {name!r}, only {listed(ENGINES)}: is it older than the study?")
    return ENGINES[name](problem)


def choose(definition: StudyDefinition, problem: Problem) -> tuple[str, int]:
    """Return the engine and the cohort size for a study, chosen once and used by all its workers.

    The serial engine gains nothing from cohorts, and a sampler is the better for every result it knows: so a cohort is one
    trial unless the user asks otherwise.
    """
    return SerialEngine.name, definition.search.cohort_size or 1
