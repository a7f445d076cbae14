"""What all tables share: names of constraints, and the constraints that several have."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import CheckConstraint, MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase

from storage.types import NOT_FINITE

SHA256 = String(64)
WORD = max(map(len, NOT_FINITE))

# Ids that others keep (tokens, event ids, page positions) must never come back; SQLite's plain rowids do.
NEVER_AGAIN = {"sqlite_autoincrement": True}
# Rows that are only ever read by a prefix of their key live in the key's own tree: one write instead of two.
IN_KEY_ORDER = {"sqlite_with_rowid": False}


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def either_value_or_not_finite() -> CheckConstraint:
    return CheckConstraint("(value IS NULL) <> (not_finite IS NULL)", name="either")


def table_of(row: type[Base]) -> Table:
    assert isinstance(row.__table__, Table)
    return row.__table__
