"""The OpenAPI page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.openapi import SMALL
from app.settings import ApiSettings
from search.validation.normalize import normalise
from search.workloads.flagship import FLAGSHIP
from storage.types import NOT_FINITE

CONTRACT = {
    "/v1/studies": {"get", "post"},
    "/v1/studies/{name}": {"get", "patch", "delete"},
    "/v1/studies/{name}/pause": {"post"},
    "/v1/studies/{name}/resume": {"post"},
    "/v1/studies/{name}/stop": {"post"},
    "/v1/studies/{name}/cancel": {"post"},
    "/v1/studies/{name}/retry": {"post"},
    "/v1/studies/{name}/trials": {"get"},
    "/v1/studies/{name}/trials/{number}": {"get"},
    "/v1/studies/{name}/curves": {"get"},
    "/v1/studies/{name}/best": {"get"},
    "/v1/studies/{name}/pareto": {"get"},
    "/v1/studies/{name}/sensitivity": {"get"},
    "/v1/studies/{name}/confirmation": {"get"},
    "/v1/studies/{name}/points": {"get"},
    "/v1/studies/{name}/cohorts": {"get"},
    "/v1/studies/{name}/events": {"get"},
    "/v1/events": {"get"},
    "/v1/studies/{name}/rank": {"post"},
    "/v1/studies/{name}/export": {"get"},
    "/v1/catalog": {"get"},
    "/v1/workloads": {"get"},
    "/v1/workers": {"get"},
    "/livez": {"get"},
    "/readyz": {"get"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("openapi") / "x.db"
    return create_app(ApiSettings(database_url=f"sqlite:///{file}")).openapi()


def test_every_call_of_the_contract_is_there(document: dict[str, Any]) -> None:
    found = {path: set(calls) for path, calls in document["paths"].items() if not path.startswith("/problems")}
    assert found == CONTRACT


def test_every_call_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for calls in document["paths"].values():
        for call in calls.values():
            assert call["description"]
            assert {"4XX", "5XX"} <= set(call["responses"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    missing = [name for name in references(document) if name.removeprefix("#/components/schemas/") not in schemas]
    assert not missing


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_the_body_of_a_submission_is_the_study_definition(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/studies"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/StudyDefinition"}
    fields = document["components"]["schemas"]["StudyDefinition"]["properties"]
    assert {"workload", "tasks", "penalties", "objective", "search", "training"} <= set(fields)
    assert all("description" in field for name, field in fields.items() if name != "$schema")


@pytest.mark.parametrize("example", [FLAGSHIP, SMALL])
def test_the_examples_are_definitions_that_may_run(example: dict[str, Any]) -> None:
    assert normalise(example, workloads={"digits": None}).definition.workload.name == "digits"


def test_every_word_for_a_number_that_is_not_finite_is_reported(document: dict[str, Any]) -> None:
    field = document["components"]["schemas"]["Trial"]["properties"]["not_finite"]
    assert set(field["additionalProperties"]["enum"]) == set(NOT_FINITE)
    assert "`undefined`: the rows" in field["description"]


def test_the_longest_wait_is_the_operators(tmp_path: Path) -> None:
    app = create_app(ApiSettings(database_url=f"sqlite:///{tmp_path}/x.db", max_wait_seconds=90))
    found = {each["name"]: each["schema"] for each in app.openapi()["paths"]["/v1/studies/{name}"]["get"]["parameters"]}
    assert (found["wait"]["minimum"], found["wait"]["maximum"]) == (0, 90)


def test_no_string_that_is_sent_may_have_a_nul(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["StudyDefinition"]["properties"]["description"]["anyOf"][0]["pattern"] == "^[^\\x00]*$"
    assert schemas["Loss"]["properties"]["config"]["propertyNames"]["pattern"] == "^[^\\x00]*$"
    asked = [each for calls in document["paths"].values() for call in calls.values() for each in call["parameters"]]
    strings = [each["schema"] for each in asked if each["in"] == "query" and each["schema"].get("type") == "string"]
    assert strings
    assert all({"pattern", "enum"} & schema.keys() for schema in strings)


def test_a_name_and_a_number_are_described_as_they_are_checked(document: dict[str, Any]) -> None:
    found = {each["name"]: each["schema"] for each in document["paths"]["/v1/studies/{name}/trials/{number}"]["get"]["parameters"]}
    assert found["name"]["pattern"] == "^[A-Za-z0-9][A-Za-z0-9_-]*$"
    assert (found["number"]["type"], found["number"]["minimum"], found["number"]["maximum"]) == ("integer", 0, 2**31 - 1)


def test_a_definitions_own_patterns_stay(document: dict[str, Any]) -> None:
    name = document["components"]["schemas"]["Task"]["properties"]["name"]
    assert name["pattern"] == "^[A-Za-z0-9][A-Za-z0-9_-]*$"
