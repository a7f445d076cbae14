"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Row, Text
from sqlalchemy.types import TypeDecorator

from storage.records import UNDEFINED as UNDEFINED  # where nobody needs SQLAlchemy to have it
from storage.records import Undefined as Undefined

Id = BigInteger().with_variant(Integer, "sqlite")
"""A row's own number. SQLite grows only an INTEGER PRIMARY KEY by itself."""

AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns were selected."""

NOT_FINITE: Mapping[str, float] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "undefined": UNDEFINED}
"""What stands in a `not_finite` column, and the number it means."""


def padded(ids: Sequence[int]) -> Sequence[int]:
    """Return ids for an IN list, the last one again and again, up to the next power of two.

    Each length is a statement of its own, and a connection keeps what it has prepared: up to 128 statements of some 100 KB, had
    they as many lengths as there are trials.
    """
    return [*ids, *[ids[-1]] * ((1 << (len(ids) - 1).bit_length()) - len(ids))] if ids else ids


class UtcDateTime(TypeDecorator[datetime]):
    """Keep an aware time. Stored in UTC to the microsecond, so that text order on SQLite is the order of time.

    Raises ValueError for a naive time.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored time needs a time zone, got {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Keep text that somebody else wrote, such as an exception's message.

    PostgreSQL takes neither NUL nor lone surrogates: both are replaced, because a message must never be what fails a write.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class OpaqueJson(TypeDecorator[Any]):
    """Keep JSON that SQL never looks into. As text, because a sampler's attributes may hold NaN and PostgreSQL's JSON may not."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can compare with this text: it takes neither NUL nor lone surrogates."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def split_float(number: float | None) -> tuple[float | None, str | None]:
    """Split a number into its `value` and `not_finite` columns; None gives (None, None).

    The value is NULL where the number is NaN or infinite: SQLite has no NaN, and PostgreSQL sorts NaN above all numbers.
    """
    if number is None:
        return None, None
    if isinstance(number, Undefined):
        return None, "undefined"
    number = float(number)
    if math.isfinite(number):
        return number, None
    if math.isnan(number):
        return None, "nan"
    return None, "inf" if number > 0 else "-inf"


def join_float(value: float | None, not_finite: str | None) -> float | None:
    """Undo `split_float`."""
    return value if not_finite is None else NOT_FINITE[not_finite]


def measured_float(value: float | None, not_finite: str | None) -> float:
    """Undo `split_float` where the table holds one of the two always."""
    return value if value is not None else NOT_FINITE[not_finite or "nan"]
