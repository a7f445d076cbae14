"""One side of a penalty: which tensor it reads, and what it takes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from search.definition.weights import Strict, refuse
from search.names import Key, Name, listed

Column = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Columns = Annotated[tuple[Column, ...], Field(min_length=1, max_length=10_000)]
GroupName = Annotated[str, Field(min_length=1, max_length=128)]

MAX_GROUPS = 10_000


class Selector(Strict):
    """One side of a penalty: a tensor, and what is taken of it. Exactly one of task, output, input, target."""

    task: Name | None = Field(default=None, description="A task's prediction; probabilities where the task has from_logits.")
    output: Key | None = Field(default=None, description="An output of the model, as it is.")
    input: Key | None = Field(default=None, description="An input of the model.")
    target: Key | None = Field(default=None, description="A key of y.")
    classes: Columns | None = Field(default=None, description="Sum of these columns of the last axis, kept as an axis of width 1.")
    index: Column | None = Field(default=None, description="This column of the last axis, kept as an axis of width 1.")
    groups: Annotated[dict[GroupName, Columns], Field(min_length=1, max_length=MAX_GROUPS)] | None = Field(
        default=None,
        description="Sums of columns of the last axis, one for each class of the other side: `{parent class: [child classes]}`. "
        'A parent class is its index there, `"0"`, `"1"`, ...; with other names the groups stand in the order of the parent\'s '
        "classes, as `order` says. No column may be in two groups; one in no group does not count.",
    )
    order: Annotated[tuple[GroupName, ...], Field(min_length=1, max_length=MAX_GROUPS)] | None = Field(
        default=None,
        description="The names of `groups` in the order of the other side's classes (default: the order in which `groups` has "
        "them; indices stand in their own).",
    )
    reduce: Literal["mean", "max", "noisy_or", "logsumexp"] | None = Field(
        default=None, description="Reduce all axes but the first (batch) and the last, e.g. pixels to one number an image."
    )

    @model_validator(mode="before")
    @classmethod
    def _order(cls, given: Any) -> Any:
        """Write the groups' order down: an object of JSON has none that lasts."""
        groups = given.get("groups") if isinstance(given, dict) else None
        if not isinstance(groups, dict) or not groups:
            return given
        groups = {str(key) if type(key) is int else key: columns for key, columns in groups.items()}  # as JSON writes them
        if given.get("order") is not None or not all(isinstance(key, str) for key in groups):
            return {**given, "groups": groups}
        return {**given, "groups": groups, "order": sorted(groups, key=int) if all(map(is_index, groups)) else list(groups)}

    @model_validator(mode="after")
    def _check(self) -> Selector:
        sources = [name for name in ("task", "output", "input", "target") if getattr(self, name) is not None]
        if len(sources) != 1:
            raise refuse("exactly one of task, output, input, target", sources or "none of them")
        taken = {name: getattr(self, name) for name in ("classes", "index", "groups") if getattr(self, name) is not None}
        if len(taken) > 1:
            shown = {name: list(value) if isinstance(value, tuple) else value for name, value in taken.items()}
            raise refuse(f"{' or '.join(taken)}, not both" if len(taken) == 2 else "one of classes, index and groups", shown)
        self._check_groups()
        return self

    def _check_groups(self) -> None:
        if self.groups is None:
            if self.order is not None:
                raise refuse("groups beside their order", "order alone")
            return
        places = Counter(column for group in self.groups.values() for column in group)
        twice = [column for column, count in places.items() if count > 1]
        if twice:
            raise refuse("groups in which no column stands twice", f"{listed(map(str, twice))} again")
        indices = [name for name in self.groups if is_index(name)]
        if indices and sorted(map(int, indices)) != list(range(len(self.groups))):
            raise refuse(
                f'names, or all the indices from "0" to "{len(self.groups) - 1}", of the other side\'s classes', list(self.groups)
            )
        if sorted(self.order or ()) != sorted(self.groups) or (
            indices and list(map(int, self.order or ())) != sorted(map(int, indices))
        ):
            raise refuse(f"each of the groups {listed(self.groups)} once, indices in their order", list(self.order or ()))

    @property
    def grouped(self) -> tuple[Columns, ...]:
        """The columns of each group, in the order of the other side's classes."""
        groups = self.groups or {}
        return tuple(groups[name] for name in self.order or groups)

    def read_columns(self) -> Iterator[tuple[str, int]]:
        """Yield each column of the last axis that is read, and where it stands; none where all are read."""
        if self.index is not None:
            yield "index", self.index
        yield from (("classes", column) for column in self.classes or ())
        yield from ((f"groups.{name}", column) for name, group in (self.groups or {}).items() for column in group)

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of the last axis that are read; none where all are."""
        return tuple(column for _, column in self.read_columns())


def is_index(name: str) -> bool:
    """Return whether a group's name is the index of its parent class."""
    return name.isascii() and name.isdecimal() and (name == "0" or not name.startswith("0")) and len(name) < 7
