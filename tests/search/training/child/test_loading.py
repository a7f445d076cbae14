"""What a workload's module sets stays its own, and is there for every workload that imports it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.errors import PreflightError
from search.training.child.loading import load, opened

MODEL = """
import keras
import numpy as np

X = np.linspace(0, 1, 12).reshape(4, 3)


class Plain:
    def load_data(self):
        part = X, {"a": X[:, :1]}
        return {"train": part, "validation": part}

    def build_model(self):
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": keras.layers.Dense(1)(inputs)})
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules; `name=module:Plain` for each module in it that a test registers by `STEELYARD_WORKLOADS`."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def _register(monkeypatch: pytest.MonkeyPatch, **places: str) -> None:
    monkeypatch.setenv("STEELYARD_WORKLOADS", ",".join(f"{name}={place}" for name, place in places.items()))


def _kernel_type(name: str) -> str:
    """Return the type of a workload's weights and rows, which must be the same."""
    workload = opened(name, {})
    types = {variable.dtype for variable in workload.example.trainable} | {workload.rows("train").inputs["input"].dtype.name}
    assert keras.config.floatx() == "float32"
    (kind,) = types
    return str(kind)


def test_what_a_module_sets_holds_for_all_its_workloads_and_for_no_other(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "l_doubles.py").write_text(f"{MODEL}\nkeras.config.set_floatx('float64')\nclass Other(Plain): pass\n")
    (shop / "l_single.py").write_text(MODEL)
    _register(monkeypatch, one="l_doubles:Plain", two="l_doubles:Other", single="l_single:Plain")
    assert [_kernel_type(name) for name in ("one", "single", "two", "one")] == ["float64", "float32", "float64", "float64"]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_what_a_module_sets_that_two_import_holds_for_both(
    order: tuple[str, str], shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "l_settings.py").write_text("import keras\nkeras.config.set_floatx('float64')\n")
    (shop / "l_helper.py").write_text("import l_settings\n")
    (shop / "l_one.py").write_text(f"import l_settings\n{MODEL}")
    (shop / "l_two.py").write_text(f"from l_helper import *\n{MODEL}")
    (shop / "l_none.py").write_text(MODEL)
    _register(monkeypatch, one="l_one:Plain", two="l_two:Plain", none="l_none:Plain")
    assert [_kernel_type(name) for name in (*order, "none")] == ["float64", "float64", "float32"]


def test_a_module_that_is_imported_when_a_model_is_built_sets_for_every_build(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "l_late.py").write_text("import keras\nkeras.config.set_floatx('float64')\n")
    (shop / "l_builds.py").write_text(MODEL.replace("inputs = ", "import l_late\n        inputs = "))
    _register(monkeypatch, builds="l_builds:Plain")
    workload = opened("builds", {})
    assert [workload.network(seed).trainable[0].dtype for seed in (1, 2)] == ["float64", "float64"]


def test_rows_are_drawn_from_where_the_import_left_the_seeds(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeding = "import random, tensorflow as tf\nrandom.seed(3)\nnp.random.seed(3)\ntf.random.set_seed(3)\n"
    draw = "X + np.random.rand() + random.random() + float(tf.random.uniform(()))"
    (shop / "l_draws.py").write_text(MODEL.replace("part = X", f"part = {draw}").replace("\n\nclass", f"\n{seeding}\n\nclass", 1))
    (shop / "l_seeds.py").write_text(MODEL.replace("part = X", "keras.utils.set_random_seed(8)\n        part = X"))
    _register(monkeypatch, draws="l_draws:Plain", seeds="l_seeds:Plain")
    load("draws")
    opened("seeds", {})
    drawn = [opened("draws", {}).loaded.train.inputs["input"][0, 0] for _ in range(2)]
    random.seed(3)
    np.random.seed(3)
    tf.random.set_seed(3)
    expected = np.random.rand() + random.random() + float(tf.random.uniform(()))
    assert drawn == pytest.approx([expected, expected], abs=1e-12)


def test_a_custom_object_is_its_own_workloads(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, factor in (("l_twice", 2), ("l_thrice", 3)):
        custom = f"\nkeras.saving.get_custom_objects()['mine'] = lambda x: {factor} * x\n"
        dense = "Dense(1, keras.saving.get_registered_object('mine'), kernel_initializer='ones')"
        (shop / f"{name}.py").write_text(MODEL.replace("Dense(1)", dense) + custom)
    _register(monkeypatch, twice="l_twice:Plain", thrice="l_thrice:Plain")
    first_row = 1 / 11 + 2 / 11
    for name, factor in (("twice", 2), ("thrice", 3), ("twice", 2)):
        assert float(opened(name, {}).outputs["a"][0, 0]) == pytest.approx(factor * first_row, abs=1e-6)


def test_a_module_that_makes_functions_run_eagerly_is_refused_each_time(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "l_eager.py").write_text(f"{MODEL}\nimport tensorflow as tf\ntf.config.run_functions_eagerly(True)\n")
    _register(monkeypatch, eager="l_eager:Plain")
    for _ in range(2):
        with pytest.raises(PreflightError, match=r"'eager' calls tf.config.run_functions_eagerly\(\)") as caught:
            load("eager")
        assert (caught.value.reason.code, caught.value.reason.at) == ("unsupported_workload", "l_eager:Plain")
        assert not tf.config.functions_run_eagerly()


def test_a_built_in_workload_is_loaded() -> None:
    assert load("digits").__name__ == "Digits"
