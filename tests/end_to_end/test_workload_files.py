"""A workload in a file, edited while a service runs: nothing is restarted, and no study mixes two versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cli.workload_files import register_and_wait
from steelyard.client import Client
from steelyard.errors import DefinitionRefused
from tests.end_to_end.service import serving, until
from tests.end_to_end.studies import regression

ADS = """\
import keras
import numpy as np
from e_helper import WIDTH

X = np.linspace(-1, 1, 120).reshape(60, 2)


def build_model():
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(WIDTH, "tanh")(inputs)
    return keras.Model(inputs, {name: keras.layers.Dense(1)(hidden) for name in ("a", "b")})


def load_data():
    part = X, {"a": X[:, :1], "b": X[:, 1:]}
    return {"train": part, "validation": part}
"""


@pytest.mark.soak
def test_an_edited_file_is_another_version_and_a_broken_one_says_why(tmp_path: Path) -> None:
    file, helper = tmp_path / "e_ads.py", tmp_path / "e_helper.py"
    file.write_text(ADS)
    helper.write_text("WIDTH = 4\n")
    definition = regression("ads", trials=2)
    for task, metric, name in zip(definition["tasks"], definition["objective"]["metrics"], ("a", "b"), strict=True):
        task["name"], metric["metric"] = name, f"{name}.mae"
    with serving(tmp_path, workers=1) as service, Client(service.url) as client:
        register_and_wait(client, [f"ads={file}"], str(tmp_path / "data"))
        first = service.finished(service.submit({**definition, "name": "first"}))
        assert first["state"] == "COMPLETE", first["reason"]
        helper.write_text("WIDTH = nowhere\n")

        def error() -> object:
            return next(each["error"] for each in client.workloads() if each["name"] == "ads")

        until(lambda: error() is not None, "the worker says why")
        with pytest.raises(DefinitionRefused, match=r"NameError: name 'nowhere' is not defined \(at e_helper.py:1\)"):
            client.submit({**definition, "name": "second"})
        helper.write_text("WIDTH = 8\n")
        until(lambda: error() is None, "the worker describes it again")
        second = service.finished(service.submit({**definition, "name": "second"}))
        assert second["state"] == "COMPLETE", second["reason"]
        versions = [{trial["workload_version"] for trial in client.trials(name)} for name in ("first", "second")]
        assert [len(each) for each in versions] == [1, 1]
        assert versions[0].isdisjoint(versions[1])
        best = client.best("first")
        assert best["workload"]["changed"]
        assert "have changed since trial" in best["note"]
