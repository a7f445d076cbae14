"""One real service per kind of database for all these tests: two workers, and workloads of the tests' own.

A service ends with the last test that needs it: its idle workers look for work five times a second.
What a study answers does not depend on the database, so one is enough for that; `make soak` takes the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import _postgres_database
from tests.end_to_end.service import Service, serving
from tests.end_to_end.studies import EXAMPLES
from tests.grouping import only_here

WORKLOADS = Path(__file__).parent / "workloads"
OWN = "table=table,raises=raises,needs-file=needs_file"


@pytest.fixture(scope="package")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on SQLite."""
    folder = _folder_of("on_sqlite", tmp_path_factory)
    with serving(folder, workers=2, environment=_environment(folder)) as running:
        yield running


@pytest.fixture(scope="package")
def on_postgresql(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on PostgreSQL."""
    folder = _folder_of("on_postgresql", tmp_path_factory)
    for url in _postgres_database(postgres_url, template="template1"):
        with serving(folder, workers=2, database_url=url, environment=_environment(folder)) as running:
            yield running


def _folder_of(service: str, factory: pytest.TempPathFactory) -> Path:
    """Return a folder for a service. Fails where another process of the same run has one too."""
    only_here(service, factory)
    return factory.mktemp(service)


def _environment(folder: Path) -> dict[str, str]:
    return {"STEELYARD_WORKLOADS": OWN, "PYTHONPATH": str(WORKLOADS), "STEELYARD_DATA": str(folder)}


@pytest.fixture(params=["on_postgresql", pytest.param("on_sqlite", marks=pytest.mark.soak)])
def answering(request: pytest.FixtureRequest) -> Service:
    """A service on either kind of database."""
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="package", params=["one_worker"])
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a single worker, on SQLite: what it does is repeatable. It has the workloads of the examples."""
    folder = _folder_of("one_worker", tmp_path_factory)
    _write_sentences(folder / "sentences")
    environment = {
        "STEELYARD_WORKLOADS": "table=table,taxonomy=taxonomy,sentiment-topic=workload:SentimentTopic",
        "PYTHONPATH": f"{EXAMPLES}:{EXAMPLES / 'sentiment_topic'}",
    }
    with serving(folder, workers=1, environment=environment) as running:
        yield running


def _write_sentences(folder: Path) -> None:
    """Write what the workload `sentiment-topic` reads."""
    folder.mkdir()
    draw = random.Random(0)
    for topic, nouns in {"phones": ["battery", "screen", "case"], "films": ["plot", "actor", "scene"]}.items():
        lines = [_sentence(draw, nouns) for _ in range(60)]
        (folder / f"{topic}.txt").write_text("\n".join(lines) + "\n")


def _sentence(draw: random.Random, nouns: list[str]) -> str:
    good = draw.random() < 0.5
    return f"The {draw.choice(nouns)} is {draw.choice(['great', 'lovely'] if good else ['awful', 'poor'])}.\t{int(good)}"
