"""How much a term counts: a number, or what is searched in its place."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from search.errors import shown
from search.names import Name, Path

MAX_WEIGHT = 1e12
MAX_POINTS = 1000
MAX_CHOICES = 1000


class Strict(BaseModel):
    """Base of every part of a definition: frozen, unknown fields and non-finite numbers refused.

    `later` names the fields that the contract announces and this version does not have: refused with "not yet", never ignored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=4096)

    later: ClassVar[frozenset[str]] = frozenset()


Number = Annotated[float, Field(strict=True, ge=0.0, le=MAX_WEIGHT)]
"""A weight that may be used: finite and not negative (Keras lets a negative one pass in silence)."""


def refuse(expected: str, got: object) -> PydanticCustomError:
    """Return an error that says what was expected and what came."""
    return PydanticCustomError("refused", "expected {expected}, got {got}", {"expected": expected, "got": shown(got)})


class WeightRange(Strict):
    """A searched weight, drawn between two bounds."""

    later: ClassVar = frozenset({"schedule"})

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
        """Tell whether `value` may be drawn."""
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

    @model_validator(mode="after")
    def _check(self) -> WeightChoice:
        if len(set(self.values)) != len(self.values):
            raise refuse("values that differ", list(self.values))
        return self

    def may_be(self, value: float) -> bool:
        """Tell whether `value` may be drawn."""
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
    """Tell which form of weight `value` has the look of, so that a typo gives one message, not five."""
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
