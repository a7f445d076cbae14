"""A workload may not change what all workloads of its process share."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from search.errors import Refused
from search.training.child.loading import load


def test_a_workload_that_changes_keras_for_all_is_refused_each_time_and_nothing_stays_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doubles.py").write_text("import keras\nkeras.config.set_floatx('float64')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("STEELYARD_WORKLOADS", "doubles=doubles")
    for _ in range(2):
        with pytest.raises(Refused, match="'doubles' sets Keras's global floatx"):
            load("doubles")
        assert keras.config.floatx() == "float32"


def test_a_built_in_workload_is_loaded() -> None:
    assert load("digits").__name__ == "Digits"
