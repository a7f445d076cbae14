"""What a training process sets before it imports TensorFlow."""

from __future__ import annotations

import os

import pytest

from search.training.child.runner import prepare_environment

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


@pytest.mark.parametrize(("given", "found"), [(None, "true"), ("false", "false")])
def test_a_gpus_memory_is_taken_as_it_is_needed_unless_the_user_says_otherwise(
    given: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards
    monkeypatch.setenv(GROWTH, given or "")
    if given is None:
        monkeypatch.delenv(GROWTH)
    prepare_environment()
    assert os.environ[GROWTH] == found
