"""Where a user's code raised, and what is reported of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from search.workloads import blame
from search.workloads.blame import MAX_MESSAGE, located, one_line, place_of
from search.workloads.data import read


def _raised(function: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:
        function()
    return caught.value


def test_the_innermost_frame_of_the_users_own_is_the_place() -> None:
    def inner() -> None:
        sorted([1, "a"])

    assert place_of(_raised(lambda: inner())) == f"test_blame.py:{inner.__code__.co_firstlineno + 1}"


def test_frames_of_steelyard_itself_are_not_the_users() -> None:
    error = _raised(lambda: read(None))
    assert place_of(error) is not None
    assert str(place_of(error)).startswith("test_blame.py:")


def test_a_graphs_error_names_the_place_in_its_message() -> None:
    error = RuntimeError(f'Node: x\nFile "/usr/lib/python3/site-packages/keras/a.py", line 3\nFile "{__file__}", line 77, in f')
    assert place_of(error) == "test_blame.py:77"


def test_an_error_without_a_frame_has_no_place() -> None:
    assert place_of(ValueError("never raised")) is None


def test_a_message_is_one_line_with_its_type() -> None:
    assert one_line(KeyError("b")) == "KeyError: 'b'"
    assert one_line(RuntimeError("first\nsecond\n\nArguments received:\n  x")) == "RuntimeError: first second"
    assert one_line(RuntimeError()) == "RuntimeError"
    eager = "{{function_node __wrapped__Sub_device_/job:localhost/device:CPU:0}} Incompatible shapes: [2] vs. [3] [Op:Sub] name: "
    assert one_line(ValueError(eager)) == "ValueError: Incompatible shapes: [2] vs. [3]"


def test_what_keras_puts_around_a_message_is_left_out() -> None:
    text = "Exception encountered when calling Ads.call().\n\n\x1b[1mno such column\x1b[0m\n\nArguments received by Ads.call():"
    assert one_line(ValueError(text)) == "ValueError: no such column"


def test_a_long_message_is_cut() -> None:
    assert len(one_line(ValueError("x" * 5000))) == MAX_MESSAGE + len("ValueError: ")


class Shop:
    def load_data(self) -> None:
        """Rows."""


def test_a_place_in_a_workload_becomes_file_and_line() -> None:
    line = Shop.load_data.__code__.co_firstlineno
    assert located("load_data: train.y['a']", Shop) == f"test_blame.py:{line}"
    assert located("load_data", Shop()) == f"test_blame.py:{line}"
    assert located(None, Shop) == f"test_blame.py:{line - 1}"
    assert located("ads.py:12", Shop) == "ads.py:12"
    assert located("tasks.0.name", Shop) == "tasks.0.name"


def test_what_a_module_lacks_is_named_by_its_file() -> None:
    assert located("build_model", blame) == "blame.py:1"
