"""What all response bodies share: the base model, reasons, and how numbers go out that JSON cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from storage import records
from storage.records import Values
from storage.types import split_float

NotFiniteName = Literal["nan", "inf", "-inf", "undefined"]
Numbers = Annotated[dict[str, float | None], Field(examples=[{"digit.crossentropy": 0.21, "parity.crossentropy": None}])]
"""Numbers by term or metric path; null where `not_finite` names it."""

MOVES = "Whether it moves its weights in training: `weights` are then those it begins with."
"""What `moves` says of a baseline."""

NotFinite = Annotated[
    dict[str, NotFiniteName],
    Field(
        description="The numbers that JSON cannot say: null in their place, and here by their place. `undefined`: the rows there "
        "are do not define it, such as an AUC where all are of one class, or any metric where no row has a label.",
        examples=[{"metrics.validation.parity.crossentropy": "nan", "metrics.validation.parity.auc": "undefined"}],
    ),
]


class Body(BaseModel):
    """Base of all response bodies. They are made from records, never read, so nothing is checked twice."""

    model_config = ConfigDict(frozen=True)


class ReasonBody(Body):
    """Why something is as it is."""

    code: str = Field(description="Stable, for programs.", examples=["no_live_worker"])
    message: str = Field(description="One sentence, for people.")
    at: str | None = Field(default=None, description="A path in the definition, or `file.py:12`.")


def reason_body(reason: records.Reason | None) -> ReasonBody | None:
    return None if reason is None else ReasonBody(code=reason.code, message=reason.message, at=reason.at)


class NumberSplitter:
    """Parts numbers into those that JSON can say and those that it cannot; the latter gather in `not_finite`."""

    def __init__(self) -> None:
        self.not_finite: dict[str, NotFiniteName] = {}

    def one(self, place: str, value: float | None) -> float | None:
        """Return the number, or None, noting at `place` what it was."""
        finite, kind = split_float(value)
        if kind is not None:
            self.not_finite[place] = cast(NotFiniteName, kind)
        return finite

    def many(self, place: str, values: Values) -> dict[str, float | None]:
        """Return the numbers by path; the place of each is `place.path`."""
        return {path: self.one(f"{place}.{path}", value) for path, value in values.items()}


def finite_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with null for every number that JSON cannot say, and those in `not_finite` by their place."""
    split = NumberSplitter()
    return {**_finite(document, split, ""), "not_finite": split.not_finite}


def _finite(value: Any, split: NumberSplitter, place: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item, split, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item, split, f"{place}.{i}") for i, item in enumerate(value)]
    return split.one(place, value) if isinstance(value, float) else value


class AnchorBody(Body):
    """A measured number that trials are held against: what a task reaches alone, or what a baseline has."""

    of: str = Field(description="`reference` (the metric's task trained alone), `equal` or `current`.")
    metric: str
    value: float = Field(description="Mean over the seeds.")
    std: float | None = Field(description="Standard deviation of the sample; null for one seed.")
    n: int = Field(description="Number of seeds.")
    seeds: list[int]
