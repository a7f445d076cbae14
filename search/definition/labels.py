"""A task's labels as people have them: which mark says that one is missing, and which classes count more."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from search.definition.weights import Number, refuse

MAX_CLASSES = 10_000

REFUSE, NAN, BALANCED = "refuse", "nan", "balanced"

Missing = Annotated[
    Annotated[Literal["refuse", "nan"], Tag("word")] | Annotated[float, Field(strict=True, ge=-1e12, le=1e12), Tag("number")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "number"),
]
"""What marks a label that is missing: NaN, a number, or nothing (NaN is refused)."""


def _class_id(key: str) -> str:
    if not re.fullmatch(r"0|[1-9][0-9]{0,5}", key):
        raise refuse('a class as a whole number from 0, such as "3"', key)
    return key


ClassId = Annotated[str, AfterValidator(_class_id)]

ClassWeight = Annotated[
    Annotated[Literal["balanced"], Tag("word")]
    | Annotated[dict[ClassId, Number], Field(min_length=1, max_length=MAX_CLASSES), Tag("classes")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "classes"),
]
"""How much each class counts in training: a weight by class, or weights under which all classes count alike."""
