"""From what the rooms raise to what goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app import refusals
from app.docs_page import ASSETS
from app.errors import PROBLEMS, find_problem, problem_response
from search import errors as search_errors
from search.errors import Fault, InvalidDefinition
from storage import errors as storage_errors
from storage.errors import LeaseLost, SchemaOutdated, StorageBusy, StorageError, StorageFull, StorageUnavailable
from tests.app.scenes import Bench, on_sqlite, problem


def family(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for kind in base.__subclasses__():
        yield from family(kind)


KNOWN = [
    kind
    for base in (storage_errors.StorageError, search_errors.SearchError, refusals.Refusal)
    for kind in family(base)
    if kind.__module__.split(".")[0] in ("storage", "search", "app")
]


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_every_inner_error_has_a_problem_of_its_own(kind: type[Exception]) -> None:
    assert kind in PROBLEMS


def test_a_type_means_one_thing() -> None:
    by_slug: dict[str, set[tuple[int, str]]] = {}
    for each in PROBLEMS.values():
        by_slug.setdefault(each.slug, set()).add((each.status, each.title))
    assert all(len(meanings) == 1 for meanings in by_slug.values())


def test_a_subclass_that_the_table_lacks_is_its_base() -> None:
    class Fresh(StorageUnavailable):
        pass

    assert find_problem(Fresh()).slug == "storage-unavailable"


def test_more_faults_than_are_listed_are_counted() -> None:
    response = problem_response(InvalidDefinition([Fault(f"p{i}", "a", "b") for i in range(250)]))
    body = bytes(response.body).decode()
    assert body.count('"path"') == 100
    assert "250 things are wrong; the first 100 are listed" in body


def test_text_that_utf_8_cannot_say_goes_out_escaped() -> None:
    response = problem_response(InvalidDefinition([Fault("\ud800", "a", "\udfff")]))
    assert b'"\\ud800"' in bytes(response.body)


Raise = Callable[[Exception], None]


@pytest.fixture
def failing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Raise:
    """Let every question for a study raise."""

    def failing(error: Exception) -> None:
        def get_study(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr("storage.study_rows.get_study", get_study)

    return failing


@on_sqlite
@pytest.mark.parametrize(
    ("error", "status", "slug", "retry"),
    [
        (StorageBusy("locked"), 503, "storage-busy", True),
        (StorageUnavailable("connection refused at 10.0.0.1"), 503, "storage-unavailable", True),
        (SchemaOutdated("0001", "0002"), 503, "schema-outdated", True),
        (StorageFull("no space"), 507, "storage-full", False),
        (LeaseLost(7), 409, "lease-lost", False),
    ],
)
def test_a_storage_error_is_its_problem(
    bench: Bench, failing: Raise, error: Exception, status: int, slug: str, retry: bool
) -> None:
    failing(error)
    response = bench.client.get("/v1/studies/some")
    body = problem(response, status, slug)
    assert ("retry-after" in response.headers) is retry
    assert "10.0.0.1" not in body["detail"]


@on_sqlite
@pytest.mark.parametrize(
    "error", [RuntimeError("secret /etc/passwd"), StorageError("secret"), KeyError("secret"), AssertionError("secret")]
)
def test_an_unexpected_error_is_500_and_tells_nothing(bench: Bench, failing: Raise, error: Exception) -> None:
    failing(error)
    response = bench.client.get("/v1/studies/some")
    problem(response, 500, "storage-error" if isinstance(error, StorageError) else "internal-error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text


@on_sqlite
@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/v1/studies/a/b/c/d", "/v2/studies", "/livez/x"])
def test_an_unknown_path_is_404(bench: Bench, path: str) -> None:
    assert path in problem(bench.client.get(path), 404, "not-found")["detail"]


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/studies", "GET, POST"),
        ("PUT", "/v1/studies/a", "GET, PATCH, DELETE"),
        ("DELETE", "/v1/catalog", "GET"),
        ("POST", "/livez", "GET"),
        ("GET", "/v1/studies/a/pause", "POST"),
        ("POST", f"{ASSETS}/swagger-ui.css", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_lacks_is_405_with_all_that_it_has(bench: Bench, method: str, path: str, allowed: str) -> None:
    response = bench.client.request(method, path)
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/studies/a/trials"),
        ("GET", "/metrics"),
        ("POST", "/v1/studies/a/trials?unknown=1"),
        ("GET", "/metrics?unknown=1"),
    ],
)
def test_what_is_announced_for_later_says_not_yet(bench: Bench, method: str, path: str) -> None:
    body = problem(bench.client.request(method, path), 404, "not-yet")
    assert "not yet" in body["detail"]


@on_sqlite
@pytest.mark.parametrize(
    "path", ["/v1/catalog?x=1", "/livez?x", "/v1/studies/a/best?picks=x", "/v1/studies/a/pareto?x=1", "/v1/workers?x="]
)
def test_an_unknown_parameter_is_422_on_every_route(bench: Bench, path: str) -> None:
    body = problem(bench.client.get(path), 422, "bad-parameter")
    assert body["errors"][0]["path"].startswith("query.")


@on_sqlite
def test_every_type_leads_to_what_it_means(bench: Bench) -> None:
    for kind in bench.get("/problems")["problems"]:
        described = bench.get(kind["type"])
        assert described == kind
        assert described["description"]


@on_sqlite
def test_an_unknown_type_is_404(bench: Bench) -> None:
    problem(bench.client.get("/problems/none"), 404, "not-found")
