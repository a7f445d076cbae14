"""Schemathesis with all its checks: whatever fits the OpenAPI page, or just does not, is answered as the page says.

A thousand cases here, twenty thousand under `make soak`; calls alone, and in sequences that follow what the answers name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from app.main import create_app
from app.settings import ApiSettings
from storage.database import Database
from storage.migrations import migrate
from tests.app.scenes import NAME, Bench
from tests.app.test_openapi import CONTRACT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    from tests.app.conftest import TestClient


CALLS = [(method, path) for path, methods in CONTRACT.items() for method in sorted(methods) if not path.endswith("/events")]
"""All but the streams, which do not end."""
PLAIN = {("get", path) for path in ("/v1/catalog", "/v1/workloads", "/v1/workers", "/livez", "/readyz")}
"""Calls without anything that could be wrong with them."""

MODES = {"right": GenerationMode.POSITIVE, "wrong": GenerationMode.NEGATIVE}
CASES = [
    pytest.param(method, path, mode, id=f"{method} {path} {mode}")
    for method, path in CALLS
    for mode in MODES
    if mode == "right" or (method, path) not in PLAIN
]

NOT_TO_BE_SAID = {
    ("post", "/v1/studies"),
    ("patch", "/v1/studies/{name}"),
    ("post", "/v1/studies/{name}/rank"),
    ("get", "/v1/studies"),
    ("get", "/v1/studies/{name}/trials"),
    ("get", "/v1/studies/{name}/curves"),
    ("get", "/v1/studies/{name}/best"),
    ("get", "/v1/studies/{name}/pareto"),
}
"""Calls whose right values depend on what is stored (paths of metrics, page tokens) or on each other: no schema says all of it."""


def of(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


@contextmanager
def served(folder: Path) -> Iterator[schemathesis.BaseSchema]:
    """Give the schema of a service with two studies, one of them with trials."""
    url = f"sqlite:///{folder}/x.db"
    database = Database(url)
    migrate(database)
    app = create_app(ApiSettings(database_url=url, sweep_seconds=3600, max_wait_seconds=0.01))
    with TestClient(app, raise_server_exceptions=False) as client:
        bench = Bench(client, database)
        bench.submit()
        bench.submit(name="empty")
        bench.trained([0.5, 0.75], baseline=0.25)
        yield schemathesis.openapi.from_asgi("/openapi.json", app)
    database.close()


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    with served(tmp_path_factory.mktemp("fuzz")) as schema:
        yield schema


def asked(schema: schemathesis.BaseSchema, method: str, path: str, mode: str, examples: int) -> None:
    """Ask so many times, and hold every answer against all checks."""
    left_out = [positive_data_acceptance] if (method, path) in NOT_TO_BE_SAID else []

    @of(examples)
    @given(case=schema[path][method.upper()].as_strategy(generation_mode=MODES[mode]))
    def run(case: schemathesis.Case) -> None:
        if mode == "right" and "name" in case.path_parameters:
            case.path_parameters["name"] = NAME  # most names are of no study
        response = case.call()
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == ["application/problem+json"]
        case.validate_response(response, excluded_checks=left_out)

    run()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_a_call_is_answered_as_the_page_says(schema: schemathesis.BaseSchema, method: str, path: str, mode: str) -> None:
    asked(schema, method, path, mode, examples=22)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_many_calls_are_answered_as_the_page_says(schema: schemathesis.BaseSchema, method: str, path: str, mode: str) -> None:
    asked(schema, method, path, mode, examples=440)


def in_sequence(schema: schemathesis.BaseSchema, sequences: int, steps: int) -> None:
    """Play sequences of calls, each with what the ones before it answered; streams, which do not end, are left out."""
    machine: Any = schema.exclude(path_regex="/events$").as_state_machine()

    class Sequence(machine):  # type: ignore[misc]
        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            left_out = [positive_data_acceptance] if (case.method.lower(), case.path) in NOT_TO_BE_SAID else []
            assert response.status_code < 500, response.text
            case.validate_response(response, excluded_checks=left_out)

    Sequence.run(settings=settings(of(sequences), stateful_step_count=steps))


@pytest.mark.filterwarnings("ignore")
def test_sequences_of_calls_are_answered_as_the_page_says(tmp_path: Path) -> None:
    with served(tmp_path) as schema:
        in_sequence(schema, sequences=10, steps=10)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_many_sequences_of_calls_are_answered_as_the_page_says(tmp_path: Path) -> None:
    with served(tmp_path) as schema:
        in_sequence(schema, sequences=100, steps=20)
