"""A short run of schemathesis: whatever fits the OpenAPI page, or just does not, never gets a 500, and every error is a problem."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from app.main import create_app
from app.settings import ApiSettings
from storage.database import Database
from storage.migrations import migrate
from tests.app.scenes import NAME, Bench
from tests.app.test_openapi import CONTRACT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis

    from tests.app.conftest import TestClient


SETTINGS = settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
CALLS = [(method, path) for path, methods in CONTRACT.items() for method in sorted(methods) if not path.endswith("/events")]
"""All but the streams, which do not end."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """Give the schema of a service with two studies, one of them with trials."""
    url = f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/x.db"
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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_request_is_a_500_and_every_refusal_is_a_problem(schema: schemathesis.BaseSchema, method: str, path: str) -> None:
    @SETTINGS
    @given(case=schema[path][method.upper()].as_strategy())
    def run(case: schemathesis.Case) -> None:
        if "name" in case.path_parameters:
            case.path_parameters["name"] = NAME  # most names are of no study
        response = case.call()
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == ["application/problem+json"]

    run()
