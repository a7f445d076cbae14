"""The client's types of documents are those that the API says it answers with."""

from __future__ import annotations

import types
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from app.main import create_app
from app.settings import ApiSettings
from steelyard import documents

TYPES = {name: value for name, value in vars(documents).items() if is_typeddict(value) and value.__module__ == documents.__name__}
OTHERWISE = {"Trial": "TrialWithEpochs", "ObjectiveValue": "ObjectiveBody"}
"""Schemas of another name than the type, or than the type with `Body`."""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("documents") / "x.db"
    found: dict[str, Any] = create_app(ApiSettings(database_url=f"sqlite:///{file}")).openapi()["components"]["schemas"]
    return found


def _schema(schemas: dict[str, Any], name: str) -> dict[str, Any]:
    return next(schemas[each] for each in (OTHERWISE.get(name), f"{name}Body", name) if each in schemas)


def _may_be_null(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "null" or any(_may_be_null(each) for each in schema.get("anyOf", []))


def _left_out(document: type) -> set[str]:
    """Return the fields that may be missing. `__optional_keys__` does not know them where annotations are strings."""
    return {field for field, hint in get_type_hints(document, include_extras=True).items() if get_origin(hint) is NotRequired}


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


@pytest.mark.parametrize("name", TYPES)
def test_a_document_has_the_fields_of_the_api_and_is_none_where_they_may_be_null(name: str, schemas: dict[str, Any]) -> None:
    fields, hints = _schema(schemas, name)["properties"], get_type_hints(TYPES[name])
    assert set(hints) == set(fields)
    null = {field for field, schema in fields.items() if _may_be_null(schema)}
    left_out = _left_out(TYPES[name])  # in place of null
    assert {field for field, hint in hints.items() if _may_be_none(hint)} == null - left_out


@pytest.mark.parametrize("name", TYPES)
def test_a_field_that_may_be_missing_is_one_that_the_api_does_not_always_send(name: str, schemas: dict[str, Any]) -> None:
    least = schemas.get(name) or _schema(schemas, name)
    assert _left_out(TYPES[name]).isdisjoint(least.get("required", ()))
