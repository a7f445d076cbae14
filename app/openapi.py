"""What the OpenAPI page shows beyond the routes' signatures: the definition's schema, examples, and the problem document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.schemas.fleet import ProblemBody
from app.schemas.results import RankRequest
from app.schemas.studies import StudyPatch
from search.definition.schema import StudyDefinition
from search.workloads.flagship import FLAGSHIP

ABOUT: dict[str, Any] = {
    "title": "Steelyard",
    "version": "1",
    "summary": "A loss-weight search service for multi-output Keras models.",
    "description": "POST a study: tasks, losses, penalties, and the ranges of their weights. Workers train the model under many "
    "weight settings; every trial can be queried while it runs; the best weights come out ready for `compile(loss_weights=...)`. "
    "Errors are problem+json (RFC 9457).",
}

SMALL: dict[str, Any] = {
    "workload": {"name": "digits"},
    "tasks": [
        {"name": "digit", "losses": [{"name": "ce", "loss": "sparse_categorical_crossentropy"}], "metrics": ["accuracy"]},
        {"name": "parity", "losses": [{"name": "ce", "loss": "binary_crossentropy", "weight": {"low": 0.01, "high": 100}}]},
    ],
    "objective": {"metrics": [{"metric": "digit.accuracy"}]},
}

REFERENCE = "#/components/schemas/{model}"


def _body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}, "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


DEFINITION_BODY = _body(
    StudyDefinition,
    {
        "two tasks and a penalty": {"summary": "Two tasks, a penalty between them, two searched weights", "value": FLAGSHIP},
        "the least": {"summary": "As little as there can be; the service makes the name", "value": SMALL},
    },
)
PATCH_BODY = _body(StudyPatch, {"more trials": {"value": {"trials": 64}}})
RANK_BODY = _body(
    RankRequest,
    {
        "the worst task decides": {"value": {"objective": {**FLAGSHIP["objective"], "aggregate": "worst"}, "top": 3}},
        "one metric, another held": {
            "value": {
                "objective": {
                    "metrics": [
                        {"metric": "parity.binary_accuracy"},
                        {"metric": "digit.sparse_categorical_accuracy", "strategy": "constraint", "at_least": 0.95},
                    ]
                }
            }
        },
    },
)

_PROBLEM = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model="ProblemBody")}}}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request, and where.", "content": _PROBLEM},
    "5XX": {"description": "What keeps the service from answering; 503 comes with Retry-After.", "content": _PROBLEM},
}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` have the bodies that are read by hand, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(**ABOUT, routes=app.routes)
            schemas = document["components"]["schemas"]
            for model in (StudyDefinition, StudyPatch, RankRequest):
                schemas |= without_nul(_schemas(model))
            schemas |= _schemas(ProblemBody)
            for call in (call for calls in document["paths"].values() for call in calls.values()):
                call["parameters"] = [_without_nul_in_query(each) for each in call.get("parameters", ())]
            _set_longest_wait(document, app.state.settings.max_wait_seconds)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _set_longest_wait(document: dict[str, Any], seconds: float) -> None:
    """Say the longest `?wait`, which the operator sets."""
    for parameter in document["paths"]["/v1/studies/{name}"]["get"]["parameters"]:
        if parameter["name"] == "wait":
            parameter["schema"]["maximum"] = seconds


NO_NUL = "^[^\\x00]*$"
RESTRICTED = frozenset({"pattern", "enum", "const", "format"})


def without_nul(schema: Any) -> Any:
    """Return a schema in which no string and no key may have a NUL, as the service refuses it in every place."""
    if isinstance(schema, list):
        return [without_nul(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: without_nul(value) for key, value in schema.items() if key not in ("examples", "default", "example")}
    found |= {key: schema[key] for key in ("examples", "default", "example") if key in schema}
    if found.get("type") == "string" and not RESTRICTED & found.keys():
        found["pattern"] = NO_NUL
    if found.get("type") == "object" and found.get("additionalProperties"):
        names = found.get("propertyNames", {})
        found["propertyNames"] = names if RESTRICTED & names.keys() or "$ref" in names else {**names, "pattern": NO_NUL}
    return found


def _without_nul_in_query(parameter: dict[str, Any]) -> dict[str, Any]:
    return {**parameter, "schema": without_nul(parameter["schema"])} if parameter["in"] == "query" else parameter


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schemas of a model and of all it is made of, by name."""
    schema = model.model_json_schema(ref_template=REFERENCE, by_alias=True)
    return {**schema.pop("$defs", {}), model.__name__: schema}
