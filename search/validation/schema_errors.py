"""What is wrong with the form of a document: pydantic's errors as faults, each at its place in the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from search.definition.schema import StudyDefinition
from search.definition.weights import Strict, WeightChoice, WeightOf, WeightRange
from search.errors import Fault, shown
from search.names import nearest

MAX_FAULTS = 100
"""More are left out: nobody reads them, and a document of a hundred thousand unknown fields has as many."""


def form_faults(error: ValidationError, document: Any) -> list[Fault]:
    """Return pydantic's errors as faults: where, what was expected, what came."""
    details = error.errors(include_url=False)
    broken = [detail["loc"] for detail in details[: MAX_FAULTS + 1]]
    counted = [detail for detail in details if detail["type"] != "default_factory_not_called"][:MAX_FAULTS]
    return [_fault(detail, document) for detail in counted if not _only_follows(detail, broken)]


def _only_follows(detail: Any, broken: list[tuple[Any, ...]]) -> bool:
    """Return whether a list only seems too short because an item of it is faulty, which is reported by itself."""
    own = detail["loc"]
    return detail["type"] == "too_short" and any(len(other) > len(own) and other[: len(own)] == own for other in broken)


def _fault(detail: Any, document: Any) -> Fault:
    kind, context = detail["type"], detail.get("ctx", {})
    path = _json_path(detail["loc"], document)
    if kind == "extra_forbidden":
        return _unknown_field(path, detail)
    if kind == "missing":
        return Fault(path, "a value (the field is required)", "nothing")
    if kind == "literal_error":
        return _no_choice(path, detail)
    expected = (
        context.get("expected") or _EXPECTED.get(kind, "").format(**context) or detail["msg"].removeprefix("Input should be ")
    )
    return Fault(path, str(expected), str(context.get("got") or shown(detail.get("input"))))


def _unknown_field(path: str, detail: Any) -> Fault:
    model, field = _model_at(detail["loc"]), str(detail["loc"][-1])
    fields = [] if model is None else [inner.alias or name for name, inner in model.model_fields.items()]
    return Fault(path, f"one of the fields {', '.join(sorted(fields))}", "an unknown field", nearest(field[:MAX_STEP], fields))


def _no_choice(path: str, detail: Any) -> Fault:
    choices = re.findall("'([^']*)'", detail["ctx"]["expected"])
    sent = detail["input"]
    meant = nearest(sent[:MAX_STEP].lower(), choices) if isinstance(sent, str) else None
    return Fault(path, f"one of {', '.join(choices)}" if len(choices) > 1 else repr(choices[0]), shown(sent), meant)


_EXPECTED = {
    "string_pattern_mismatch": "letters, digits, '_' and '-', the first one a letter or digit",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
    "greater_than": "more than {gt:.15g}",
    "greater_than_equal": "at least {ge:.15g}",
    "less_than": "less than {lt:.15g}",
    "less_than_equal": "at most {le:.15g}",
    "none_required": "null",
    "model_type": "an object",
    "dict_type": "an object",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "string_type": "a string",
    "string_unicode": "a string of valid Unicode",
}

_WEIGHT_FORMS: Mapping[str, type[Strict] | None] = {
    "number": None,
    "range": WeightRange,
    "values": WeightChoice,
    "shared": None,
    "of": WeightOf,
}
_JSON_KINDS = frozenset({"str", "int", "float", "bool", "list", "dict", "null"})
MAX_STEP = 64


def _is_form(location: tuple[Any, ...], i: int) -> bool:
    """Return whether step `i` names a weight's form, which pydantic puts after `weight` and after a shared weight's name."""
    return location[i] in _WEIGHT_FORMS and (location[i - 1 : i] == ("weight",) or (i == 2 and location[0] == "weights"))


_TAGS = {
    "at_least": ("number", "relative"),
    "at_most": ("number", "relative"),
    "shape": ("name", "names"),
    "fraction": ("number", "range"),
    "missing": ("word", "number"),
    "class_weight": ("word", "classes"),
}
"""The names of a field's forms, which pydantic puts after the field's own."""


def _is_tag(location: tuple[Any, ...], i: int) -> bool:
    """Return whether step `i` is the name of a form of the field before it."""
    return i > 0 and location[i] in _TAGS.get(location[i - 1], ())


def _is_space_form(location: tuple[Any, ...], i: int) -> bool:
    """Return whether step `i` is the name of a space's form, which pydantic puts after `search.space`."""
    return i == 2 and location[:2] == ("search", "space") and location[2] in ("named", "members")


def _json_path(location: tuple[Any, ...], document: Any) -> str:
    """Return pydantic's location as a path in the JSON: without the names of union members."""
    steps, here = [], document
    for i, step in enumerate(location):
        inside = (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int))
        is_form = _is_form(location, i) or _is_space_form(location, i) or _is_tag(location, i)
        if is_form or step == "[key]" or (not inside and step in _JSON_KINDS):
            continue
        steps.append(str(step)[:MAX_STEP])
        here = here[step] if inside and not (isinstance(here, list) and step >= len(here)) else None
    return ".".join(steps)


def _model_at(location: tuple[Any, ...]) -> type[Strict] | None:
    """Return the model that the last step of `location` is a field of, found by walking the definition's models."""
    model: Any = StudyDefinition
    for i, step in enumerate(location[:-1]):
        if _is_form(location, i):
            model = _WEIGHT_FORMS[step]
        elif _is_model(model) and step in model.model_fields:
            model = _inner(model.model_fields[step].annotation)
    return model if _is_model(model) else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inner(annotation: Any) -> Any:
    """Return the model inside `tuple[Model, ...]`, `Model | None` and the like; the annotation itself where there is none."""
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()) or ():
        if _is_model(found := _inner(argument)):
            return found
    return annotation
