"""The forms a workload may have, and its options."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, Field

from search.errors import PreflightError
from search.workloads.base import bind, options_schema


class Options(BaseModel):
    width: int = Field(default=3, ge=1)


class Configured:
    Options = Options
    losses = {"own": len}  # noqa: RUF012

    def __init__(self, options: Options) -> None:
        self.options = options

    def build_model(self) -> int:
        return self.options.width

    def load_data(self) -> str:
        return "data"


class Plain:
    def build_model(self) -> str:
        return "model"

    def load_data(self) -> str:
        return "data"


def _refusal(source: Any, **options: Any) -> tuple[str, str, str | None]:
    with pytest.raises(PreflightError) as caught:
        bind("mine", source, options)
    reason = caught.value.reason
    return reason.code, reason.message, reason.at


@pytest.mark.parametrize("source", [Plain, Plain(), SimpleNamespace(build_model=lambda: "model", load_data=lambda: "data")])
def test_a_class_an_instance_or_a_module_will_do(source: Any) -> None:
    bound = bind("mine", source, {})
    assert (bound.build_model(), bound.load_data()) == ("model", "data")
    assert (bound.losses, bound.penalties, bound.metrics) == ({}, {}, {})


def test_a_class_gets_its_validated_options() -> None:
    bound = bind("mine", Configured, {"width": 5})
    assert bound.build_model() == 5
    assert list(bound.losses) == ["own"]


def test_a_modules_functions_get_the_options_where_they_take_them() -> None:
    module = SimpleNamespace(Options=Options, build_model=lambda options: options.width, load_data=lambda: "data")
    bound = bind("mine", module, {"width": 7})
    assert (bound.build_model(), bound.load_data()) == (7, "data")


def test_options_have_a_schema() -> None:
    assert options_schema(Configured)["properties"]["width"]["minimum"] == 1
    assert options_schema(Plain) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_workload_without_load_data() -> None:
    code, message, _ = _refusal(SimpleNamespace(build_model=lambda: None))
    assert (code, message) == ("bad_workload", "workload 'mine' lacks load_data(): a workload needs build_model() and load_data()")


def test_options_where_there_are_none() -> None:
    assert _refusal(Plain, width=3) == ("bad_options", "workload 'mine' takes no options, got width", "workload.options")


def test_an_unknown_option() -> None:
    assert _refusal(Configured, depth=3) == (
        "bad_options",
        "workload 'mine' has no option 'depth', only width",
        "workload.options.depth",
    )


def test_an_option_that_does_not_fit() -> None:
    code, message, at = _refusal(Configured, width=0)
    assert (code, at) == ("bad_options", "workload.options.width")
    assert message == "workload 'mine': Input should be greater than or equal to 1, got 0"


def test_terms_that_are_no_functions_by_name() -> None:
    source = SimpleNamespace(build_model=lambda: None, load_data=lambda: None, losses=[len])
    assert "losses should be a dict of functions by name" in _refusal(source)[1]


def test_a_constructor_that_raises_is_named_with_file_and_line() -> None:
    class Broken(Plain):
        def __init__(self) -> None:
            raise FileNotFoundError("rows.csv")

    code, message, at = _refusal(Broken)
    assert (code, message) == ("workload_failed", "workload 'mine' could not be made: FileNotFoundError: rows.csv")
    assert at == f"test_base.py:{Broken.__init__.__code__.co_firstlineno + 1}"
