"""How much a term counts: a number, or what is searched in its place."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from search.errors import shown
from search.names import Name, Path

MAX_WEIGHT = 1e12
MAX_POINTS = 1000
MAX_CHOICES = 1000


class Strict(BaseModel):
    """Base of every part of a definition: frozen, unknown fields and non-finite numbers refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=4096)


Number = Annotated[float, Field(strict=True, ge=0.0, le=MAX_WEIGHT)]
"""A weight that may be used: finite and not negative (Keras lets a negative one pass in silence)."""


def refuse(expected: str, got: object) -> PydanticCustomError:
    """Return an error that says what was expected and what came."""
    return PydanticCustomError("refused", "expected {expected}, got {got}", {"expected": expected, "got": shown(got)})


class FractionRange(Strict):
    """A searched share of the training, drawn evenly between two bounds."""

    low: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(description="Smallest share that may be drawn.")
    high: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(description="Largest share that may be drawn.")

    @model_validator(mode="after")
    def _check(self) -> FractionRange:
        if self.low >= self.high:
            raise refuse("low < high (a fixed share is written as a plain number)", {"low": self.low, "high": self.high})
        return self


Shape = Literal["constant", "linear", "cosine", "step"]
"""How a weight comes to its final value."""

Shapes = Annotated[
    Annotated[Shape, Tag("name")] | Annotated[tuple[Shape, ...], Field(min_length=2, max_length=4), Tag("names")],
    Discriminator(
        lambda value: "names" if isinstance(value, list | tuple) else "name",
        custom_error_type="shape_form",
        custom_error_message="constant, linear, cosine or step, or a list of them",
    ),
]

Fraction = Annotated[
    Annotated[float, Field(strict=True, gt=0, le=1), Tag("number")] | Annotated[FractionRange, Tag("range")],
    Discriminator(
        lambda value: "range" if isinstance(value, dict | FractionRange) else "number",
        custom_error_type="fraction_form",
        custom_error_message='a share of the epochs above 0 and at most 1, or {"low", "high"}',
    ),
]


class Schedule(Strict):
    """How a weight moves in training: from `start` times its final value to its final value, which is what is drawn.

    `linear` and `cosine` move over the first `fraction` of the epochs, `step` jumps at their end, `constant` is there at once.
    """

    shape: Shapes = Field(default="linear", description="constant, linear, cosine or step; a list to search the shape too.")
    start: Annotated[float, Field(strict=True, ge=0, le=MAX_WEIGHT)] = Field(
        default=0.0,
        description="The weight in the first epoch, as a multiple of its final value: 0 warms up from nothing, above 1 anneals.",
    )
    fraction: Fraction = Field(
        default=0.3, description='Share of the epochs after which the final value is reached; {"low", "high"} to search it too.'
    )

    @model_validator(mode="after")
    def _check(self) -> Schedule:
        if isinstance(self.shape, tuple) and len(set(self.shape)) != len(self.shape):
            raise refuse("shapes that differ", list(self.shape))
        return self


class WeightRange(Strict):
    """A searched weight, drawn between two bounds."""

    low: Number = Field(description="Smallest value that may be drawn. 0 means that leaving the term out is a setting too.")
    high: Number = Field(description="Largest value that may be drawn.")
    scale: Literal["log", "linear"] = Field(
        default_factory=lambda read: "log" if read.get("low", 0) > 0 else "linear",
        description="How values are spread: `log` (default where low > 0) or `linear`.",
    )
    points: Annotated[int, Field(strict=True, ge=2, le=MAX_POINTS)] | None = Field(
        default=None, description="Grid only: how many values to try, both ends included, evenly spread on the scale."
    )
    current: Number | None = Field(
        default=None, description="What you use today. Trained as a baseline and compared as `yours`; it may lie outside the range."
    )
    schedule: Schedule | None = Field(
        default=None, description="Let it warm up or anneal to its drawn value (default: it has that from the first epoch on)."
    )

    @model_validator(mode="after")
    def _check(self) -> WeightRange:
        if self.low >= self.high:
            raise refuse("low < high (a fixed weight is written as a plain number)", {"low": self.low, "high": self.high})
        if self.scale == "log" and self.low <= 0:
            raise refuse("low > 0 with scale log (use scale linear, or a small low)", {"low": self.low, "scale": "log"})
        if self.points is not None and any(one >= next_one for one, next_one in pairwise(self.grid())):
            raise refuse(f"a range wide enough for {self.points} different points", {"low": self.low, "high": self.high})
        return self

    def may_be(self, value: float) -> bool:
        """Return whether `value` may be drawn."""
        return self.low <= value <= self.high

    def grid(self) -> tuple[float, ...]:
        """Return the `points` values, both ends included and exact."""
        steps = (self.points or 2) - 1
        if self.scale == "linear":
            inner = [self.low + (self.high - self.low) * i / steps for i in range(1, steps)]
        else:
            start, width = math.log(self.low), math.log(self.high) - math.log(self.low)
            inner = [math.exp(start + width * i / steps) for i in range(1, steps)]
        return (self.low, *inner, self.high)


class WeightChoice(Strict):
    """A searched weight, one of a list."""

    values: tuple[Number, ...] = Field(
        min_length=2, max_length=MAX_CHOICES, description="The values to choose from, all different."
    )
    current: Number | None = Field(default=None, description="What you use today; see a range's `current`.")
    schedule: Schedule | None = Field(default=None, description="How it moves to its drawn value; see a range's `schedule`.")

    @model_validator(mode="after")
    def _check(self) -> WeightChoice:
        if len(set(self.values)) != len(self.values):
            raise refuse("values that differ", list(self.values))
        return self

    def may_be(self, value: float) -> bool:
        """Return whether `value` may be drawn."""
        return value in self.values

    def grid(self) -> tuple[float, ...]:
        """Return the values, in their own order."""
        return self.values


class WeightOf(Strict):
    """A shared weight, times a factor."""

    of: Name = Field(description="Name of a weight in the definition's `weights`.")
    times: Annotated[float, Field(strict=True, gt=0, le=MAX_WEIGHT)] = Field(
        default=1.0, description="Factor on the shared weight."
    )


_NUMERAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
"""A string of this form was meant as a number, not as the name of a shared weight."""


def _kind(value: Any) -> str | None:
    """Return which form of weight `value` has the look of, so that a typo gives one message, not five."""
    if isinstance(value, WeightRange | WeightChoice | WeightOf):
        return {WeightRange: "range", WeightChoice: "values", WeightOf: "of"}[type(value)]
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "number" if _NUMERAL.fullmatch(value) else "shared"
    if isinstance(value, dict):
        return "values" if "values" in value else "of" if "of" in value or "times" in value else "range"
    return None


_FORMS = 'a number >= 0, {"low", "high"}, {"values": [...]}, the name of a shared weight, or {"of", "times"}'


def _discriminated(*, shared: bool) -> Discriminator:
    return Discriminator(
        _kind if shared else lambda value: kind if (kind := _kind(value)) in ("range", "values") else None,
        custom_error_type="weight_form",
        custom_error_message="expected {expected}",
        custom_error_context={"expected": _FORMS if shared else '{"low", "high"} or {"values": [...]}'},
    )


Weight = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[WeightRange, Tag("range")]
    | Annotated[WeightChoice, Tag("values")]
    | Annotated[Name, Tag("shared")]
    | Annotated[WeightOf, Tag("of")],
    _discriminated(shared=True),
]
"""The coefficient of a component loss or a penalty."""

SharedWeight = Annotated[
    Annotated[WeightRange, Tag("range")] | Annotated[WeightChoice, Tag("values")], _discriminated(shared=False)
]
"""A searched weight with a name of its own, for several terms."""


class Simplex(Strict):
    """A space in which some weights sum to one total, so that they are searched by their ratios alone."""

    simplex: tuple[Path, ...] = Field(
        min_length=2,
        max_length=MAX_CHOICES,
        description="The members: searched weights by their term's path, shared ones by their name.",
    )
    total: Annotated[float, Field(strict=True, gt=0, le=MAX_WEIGHT)] = Field(
        default=1.0, description="What the members' used weights sum to."
    )

    @model_validator(mode="after")
    def _check(self) -> Simplex:
        if len(set(self.simplex)) != len(self.simplex):
            raise refuse("members that differ", list(self.simplex))
        return self


def _space_kind(value: Any) -> str | None:
    return "named" if isinstance(value, str) else "members" if isinstance(value, dict | Simplex) else None


Space = Annotated[
    Annotated[Literal["box", "simplex"], Tag("named")] | Annotated[Simplex, Tag("members")],
    Discriminator(
        _space_kind,
        custom_error_type="space_form",
        custom_error_message="expected {expected}",
        custom_error_context={"expected": 'box, simplex, or {"simplex": [...], "total"}'},
    ),
]
"""Where weights are drawn: each in its own range, or some of them on a simplex."""
