"""Times and numbers come back as they went in."""

from __future__ import annotations

import math
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from storage.types import (
    UNDEFINED,
    AnyText,
    OpaqueJson,
    Undefined,
    UtcDateTime,
    is_storable,
    join_float,
    measured_float,
    padded,
    split_float,
)

SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()


@given(st.floats(allow_nan=False))
def test_a_number_that_is_split_and_joined_is_the_same(number: float) -> None:
    assert join_float(*split_float(number)) == number
    assert measured_float(*split_float(number)) == number


@pytest.mark.parametrize(
    ("number", "columns"),
    [
        (0.25, (0.25, None)),
        (math.nan, (None, "nan")),
        (math.inf, (None, "inf")),
        (-math.inf, (None, "-inf")),
        (UNDEFINED, (None, "undefined")),
        (None, (None, None)),
    ],
)
def test_only_a_finite_number_is_in_the_value_column(number: float | None, columns: tuple[float | None, str | None]) -> None:
    assert split_float(number) == columns


def test_nan_comes_back_as_nan() -> None:
    assert math.isnan(measured_float(*split_float(math.nan)))


def test_an_undefined_number_comes_back_as_itself() -> None:
    assert join_float(*split_float(UNDEFINED)) is UNDEFINED
    assert measured_float(*split_float(UNDEFINED)) is UNDEFINED


def test_an_undefined_number_is_nan_to_whoever_computes_with_it() -> None:
    assert math.isnan(UNDEFINED)
    assert UNDEFINED != UNDEFINED
    assert not UNDEFINED < 1.0
    assert not UNDEFINED > 1.0
    for plain in (-UNDEFINED, UNDEFINED * 2.0, fmean([UNDEFINED, 1.0])):
        assert math.isnan(plain)
        assert not isinstance(plain, Undefined)


def test_an_undefined_number_says_so_as_text() -> None:
    assert (str(UNDEFINED), f"{UNDEFINED}", repr([UNDEFINED])) == ("undefined", "undefined", "[undefined]")
    assert isinstance(deepcopy(UNDEFINED), Undefined)


def test_a_missing_number_comes_back_missing() -> None:
    assert join_float(None, None) is None


def test_a_time_is_stored_in_utc_without_zone_on_sqlite() -> None:
    two_hours_east = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert UtcDateTime().process_bind_param(two_hours_east, SQLITE) == datetime(2025, 12, 31, 23)


def test_a_stored_time_comes_back_aware() -> None:
    stored = datetime(2026, 1, 1, 1)
    assert UtcDateTime().process_result_value(stored, SQLITE) == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), POSTGRESQL)


def test_text_that_postgresql_refuses_is_replaced() -> None:
    assert AnyText().process_bind_param("a\x00b\ud800c", POSTGRESQL) == "a\ufffdb?c"


@pytest.mark.parametrize(("text", "storable"), [("digits", True), ("zif\u0119r", True), ("a\x00", False), ("\udc00", False)])
def test_text_is_storable_without_nul_and_surrogates(text: str, storable: bool) -> None:
    assert is_storable(text) is storable


def test_opaque_json_keeps_nan() -> None:
    column = OpaqueJson()
    stored = column.process_bind_param({"sigma": [math.nan, math.inf]}, POSTGRESQL)
    sigma = column.process_result_value(stored, POSTGRESQL)["sigma"]
    assert math.isnan(sigma[0])
    assert sigma[1] == math.inf


def test_lists_of_ids_have_few_lengths_and_no_other_ids() -> None:
    assert padded([7, 8, 9]) == [7, 8, 9, 9]
    assert padded([]) == []
    assert {len(padded(range(1, count + 1))) for count in range(1, 2049)} == {2**power for power in range(12)}
