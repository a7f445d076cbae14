"""The training child over a real pipe: describe, prepare, train, cancel, exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import pytest

from search.training.child.describe import digest_of

ROOT = Path(__file__).parents[4]
TIMEOUT = 60.0

SHOP = """
import keras
import numpy as np
from keras import ops

x = np.random.default_rng(0).normal(size=(40, 3))


def build_model():
    inputs = keras.Input((3,))
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(inputs), "b": keras.layers.Dense(1)(inputs)})


def load_data():
    part = x, {"a": x[:, :1], "b": x[:, 1:2]}
    return {"train": part, "validation": part}


def fussy(batch):
    if not hasattr(batch.outputs["a"], "numpy"):
        raise RuntimeError("only eager tensors will do")
    return ops.mean(ops.square(batch.outputs["a"]))


losses = {"fussy": fussy, "broken": lambda batch: batch.outputs["c"]}
"""


class Child:
    """A child process, spoken to as the worker does."""

    def __init__(self, folder: Path) -> None:
        (folder / "shop.py").write_text(SHOP)
        self._ours, theirs = Pipe()
        path = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "STEELYARD_WORKLOADS": "shop=shop,lost=no_such_module"}
        command = [sys.executable, "-m", "search.training.child.runner", str(theirs.fileno())]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdout=log, stderr=log)
        theirs.close()

    def say(self, **order: Any) -> None:
        self._ours.send_bytes(json.dumps(order).encode())

    def hear(self, *ends: str) -> list[dict[str, Any]]:
        """Return what the child says until a message of one of these kinds."""
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["is"] not in ends:
            assert self._ours.poll(TIMEOUT), f"silent after {heard[-3:]}"
            heard.append(json.loads(self._ours.recv_bytes()))
        return heard

    def close(self) -> None:
        self._ours.close()


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = Child(tmp_path_factory.mktemp("child"))
    (ready,) = child.hear("ready")
    assert set(ready["versions"]) == {"keras", "tensorflow", "numpy"}
    yield child
    child.process.kill()
    child.process.wait()
    child.close()


def _study(loss: str = "mean_squared_error", epochs: int = 2, **training: Any) -> dict[str, Any]:
    weight = {"low": 0.1, "high": 10}
    return {
        "workload": {"name": "shop"},
        "tasks": [
            {"name": "a", "losses": [{"name": "error", "loss": loss, "weight": weight}]},
            {"name": "b", "losses": [{"name": "error", "loss": "mse", "weight": weight}], "metrics": ["mae"]},
        ],
        "objective": {"metrics": [{"metric": "b.mae", "direction": "minimize"}]},
        "training": {"epochs": epochs, "batch_size": 16, **training},
    }


def _order(definition: dict[str, Any], *weights: float) -> dict[str, Any]:
    settings = [{"number": 5 + i, "seed": 0, "weights": {"a.error": weight, "b.error": 1.0}} for i, weight in enumerate(weights)]
    return {"do": "train", "study": 1, "definition": definition, "cohort_size": 2, "engine": "serial", "settings": settings}


def test_describe_tells_of_every_workload_or_why_not(child: Child) -> None:
    child.say(do="describe")
    (told,) = child.hear("described")
    found = {each["name"]: each for each in told["workloads"]}
    assert set(found) == {"digits", "digits-overlay", "digits-mask", "quadratics", "shop", "lost"}
    digits = found["digits"]["description"]
    assert digits["inputs"] == {"input": {"shape": [None, 64], "dtype": "float32"}}
    assert digits["outputs"] == {
        "digit": {"shape": [None, 10], "dtype": "float32"},
        "parity": {"shape": [None, 1], "dtype": "float32"},
    }
    assert digits["rows"] == {"train": 1150, "validation": 287, "test": 360}
    assert digits["parameters"] == digits["trainable_parameters"] == 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10 + 64 + 1
    assert set(digits["options"]["properties"]) == {"model", "hidden"}
    forms = {"plain": True, "row_weights": False, "points": False, "weighted": [], "rank_one": []}
    assert digits["code"] == {"place": "search.workloads.digits:Digits", "made": "with_options", **forms}
    assert found["digits"]["digest"] == digest_of(digits)
    assert found["shop"]["description"]["losses"] == ["broken", "fussy"]
    assert found["lost"]["reason"]["code"] == "workload_import_failed"


def test_prepare_then_train_reports_every_epoch_and_end(child: Child) -> None:
    child.say(do="prepare", study=1, definition=_study())
    taken, prepared = child.hear("prepared", "refused")
    assert taken == {"is": "taken"}
    assert (prepared["is"], prepared["warnings"]) == ("prepared", [])
    assert prepared["cohort_size"] >= 1
    child.say(**_order(_study(), 1.0, 2.0))
    _, *heard = child.hear("trained")
    epochs = [(message["epoch"], message["numbers"]) for message in heard if message["is"] == "epoch"]
    assert epochs == [(0, [5]), (1, [5]), (2, [5]), (0, [6]), (1, [6]), (2, [6])]
    assert set(heard[0]["train"]) == {"a.error", "b.error"}
    assert set(heard[0]["validation"]) == {"a.error", "b.error", "b.mae"}
    ends = [message for message in heard if message["is"] == "ended"]
    assert ends == [{"is": "ended", "number": n, "state": "COMPLETE", "epochs": 2, "reason": None} for n in (5, 6)]
    assert heard[-1]["seconds"] > 0


def test_a_study_trains_without_a_prepare_in_the_same_child(child: Child) -> None:
    child.say(**_order(_study(batch_size=8), 1.0))
    assert [message["state"] for message in child.hear("trained") if message["is"] == "ended"] == ["COMPLETE"]


def test_a_loss_that_raises_refuses_the_study_with_file_and_line(child: Child) -> None:
    child.say(do="prepare", study=1, definition=_study("broken"))
    *_, refused = child.hear("prepared", "refused")
    assert refused["reason"]["code"] == "term_failed"
    assert refused["reason"]["at"] == f"shop.py:{SHOP.splitlines().index(SHOP.splitlines()[-1]) + 1}"
    assert refused["reason"]["message"] == "a.error: KeyError: 'c'"


def test_a_loss_that_fails_only_in_a_graph_is_refused_too(child: Child) -> None:
    child.say(do="prepare", study=1, definition=_study("fussy"))
    *_, refused = child.hear("prepared", "refused")
    line = next(i for i, line in enumerate(SHOP.splitlines(), start=1) if "raise RuntimeError" in line)
    assert (refused["reason"]["at"], refused["reason"]["code"]) == (f"shop.py:{line}", "workload_failed")


def test_what_raises_in_a_training_ends_every_setting_and_the_child_lives(child: Child) -> None:
    child.say(**_order(_study("broken"), 1.0, 2.0))
    heard = child.hear("trained")
    ends = [message for message in heard if message["is"] == "ended"]
    assert [(end["number"], end["state"], end["reason"]["message"]) for end in ends] == [
        (5, "FAILED", "KeyError: 'c'"),
        (6, "FAILED", "KeyError: 'c'"),
    ]
    child.say(**_order(_study(), 1.0))
    assert child.hear("trained")[-2]["state"] == "COMPLETE"


def test_an_order_that_cannot_be_read_is_answered(child: Child) -> None:
    child.say(do="prepare", study=1, definition={"tasks": []})
    *_, refused = child.hear("prepared", "refused")
    assert refused["reason"]["code"] == "internal_error"


def test_a_cancel_ends_a_setting_and_lets_the_others_go_on(child: Child) -> None:
    child.say(**_order(_study(epochs=100_000), 1.0, 2.0))
    child.hear("epoch")
    child.say(do="cancel", numbers=[5])
    heard = child.hear("ended")
    assert (heard[-1]["number"], heard[-1]["state"]) == (5, "CANCELLED")
    child.say(do="cancel", numbers=None)
    heard = child.hear("trained")
    assert (heard[-2]["number"], heard[-2]["state"], heard[-2]["reason"]["code"]) == (6, "CANCELLED", "cancelled")


def test_a_cancel_that_comes_too_late_is_ignored(child: Child) -> None:
    child.say(do="cancel", numbers=None)
    child.say(**_order(_study(), 1.0))
    assert child.hear("trained")[-2]["state"] == "COMPLETE"


def _at_a_rung(child: Child, *rungs: int, epochs: int = 3) -> None:
    """Have two settings trained on one stack up to their first rung."""
    order = _order(_study(epochs=epochs), 1.0, 2.0) | {"engine": "vectorized"}
    child.say(**order | {"settings": [{**setting, "rungs": list(rungs)} for setting in order["settings"]]})
    *_, report, asked = child.hear("rung")
    assert (report["is"], report["epoch"], report["numbers"]) == ("epoch", rungs[0], [5, 6])
    assert asked == {"is": "rung", "epoch": rungs[0], "numbers": [5, 6]}


def test_at_a_rung_the_child_waits_and_ends_those_it_is_told(child: Child) -> None:
    _at_a_rung(child, 1, 2)
    child.say(do="go_on", epoch=1, prune=[{"number": 6, "why": "epoch 1: hopeless"}])
    heard = child.hear("rung")
    reason = {"code": "pruned", "message": "epoch 1: hopeless", "at": None}
    assert heard[0] == {"is": "ended", "number": 6, "state": "PRUNED", "epochs": 1, "reason": reason}
    assert heard[-1] == {"is": "rung", "epoch": 2, "numbers": [5]}
    child.say(do="go_on", epoch=2, prune=[])
    heard = child.hear("trained")
    assert [(message["number"], message["state"]) for message in heard if message["is"] == "ended"] == [(5, "COMPLETE")]


def test_an_answer_to_another_rung_is_not_taken_for_this_one(child: Child) -> None:
    _at_a_rung(child, 1)
    child.say(do="go_on", epoch=2, prune=[{"number": 5, "why": "late"}])
    child.say(do="go_on", epoch=1, prune=[])
    assert [message["state"] for message in child.hear("trained") if message["is"] == "ended"] == ["COMPLETE", "COMPLETE"]


def test_a_cancel_at_a_rung_needs_no_answer(child: Child) -> None:
    _at_a_rung(child, 1)
    child.say(do="cancel", numbers=None)
    assert [message["state"] for message in child.hear("trained") if message["is"] == "ended"] == ["CANCELLED", "CANCELLED"]


def test_exit_ends_the_child_in_the_middle_of_a_training(child: Child) -> None:
    child.say(**_order(_study(epochs=100_000), 1.0))
    child.hear("epoch")
    child.say(do="exit")
    assert child.process.wait(TIMEOUT) == 0
