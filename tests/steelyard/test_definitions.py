"""A definition comes as a dictionary or a file, and is safe to send twice."""

from __future__ import annotations

import re

import pytest

import steelyard
from search.names import NAME_PATTERN
from steelyard.definitions import named, read_definition


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", r"study\.json:1:2: not JSON"),
        (b'{"a": 1,\n "b" 2}', r"study\.json:2:6: not JSON"),
        (b"[1]", "a study definition is a JSON object, this is a list"),
        (b"null", "this is null"),
        (b'"x"', "this is a string"),
        (b"\xff\xfe", "not a text in UTF-8"),
        (b"[" * 100_000, "too deeply nested"),
    ],
)
def test_a_file_that_is_no_definition_is_named(tmp_path, content, sentence):
    path = tmp_path / "study.json"
    path.write_bytes(content)
    with pytest.raises(steelyard.DefinitionUnreadable, match=sentence):
        read_definition(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(steelyard.DefinitionUnreadable, match=r"nothing\.json: No such file"):
        read_definition(str(tmp_path / "nothing.json"))


def test_a_name_that_is_there_stays():
    assert named({"name": "mine"}) == {"name": "mine"}


@pytest.mark.parametrize(
    "workload", [{"name": "digits"}, "digits", {"name": "x" * 100}, {"name": "ä!"}, {"name": 3}, None, {}, [1]]
)
def test_a_study_without_a_name_gets_a_valid_one_that_tells_its_workload(workload):
    name = named({"workload": workload})["name"]
    assert re.match(NAME_PATTERN, name)
    assert len(name) <= 64
    assert name.startswith(("digits-", "xxx", "study-"))


def test_two_studies_without_a_name_are_two_studies():
    assert named({})["name"] != named({})["name"]


def test_the_callers_dictionary_is_left_as_it_is():
    definition = {"workload": {"name": "digits"}}
    named(definition)
    assert definition == {"workload": {"name": "digits"}}
