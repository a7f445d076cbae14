"""`steelyard best --script`: the file it writes, run by itself, reaches what the study stated."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.service import PATIENCE, Service
from tests.end_to_end.studies import flagship

ROOT = Path(__file__).parents[2]


def _confirmed(service: Service, **changes: Any) -> str:
    """Run a short `digits` study to its end, its winner confirmed on two seeds; gives its name."""
    definition = flagship(trials=2, sampler={"name": "random"}, confirmation={"top": 1, "seeds": 2}, baselines=[])
    definition["training"]["epochs"] = 2
    name = service.submit({**definition, **changes})
    study = service.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    return name


def _run(service: Service, *command: str) -> str:
    environment = {**os.environ, "STEELYARD_URL": service.url, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=service.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _printed(line: str) -> dict[str, float]:
    return {path: float(value) for path, value in re.findall(r"(\S+) ([\d.e+-]+)", line.partition(": ")[2])}


SCHEDULED = [
    {
        "name": "agreement",
        "penalty": "consistency",
        "between": [{"task": "digit", "classes": [1, 3, 5, 7, 9]}, {"task": "parity"}],
        "weight": {"low": 0.5, "high": 5.0, "schedule": {"shape": ["linear", "cosine"], "fraction": {"low": 0.4, "high": 1.0}}},
    }
]
RATE = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": {"name": "adam", "config": {"learning_rate": {"low": 0.001, "high": 0.01}}},
}


@pytest.mark.parametrize(
    ("changes", "imports"),
    [
        pytest.param({"penalties": [], "training": RATE}, "import numpy", marks=pytest.mark.soak),
        pytest.param({}, "import steelyard", marks=pytest.mark.soak),
        ({"penalties": SCHEDULED}, "import steelyard"),
    ],
    ids=["compile", "penalties", "schedule"],
)
def test_the_file_reaches_what_every_confirmation_measured_and_lies_in_the_stated_interval(
    one_worker: Service, changes: dict[str, Any], imports: str
) -> None:
    """It is the same computation, so that only the order of float sums differs: over 360 rows a single answer is 0.0028."""
    name = _confirmed(one_worker, **changes)
    assert _run(one_worker, "-m", "steelyard", "best", name, "--script", "train.py") == ""
    text = (one_worker.folder / "train.py").read_text()
    assert imports in text
    assert ("steelyard.apply" in text) == (imports == "import steelyard")
    lines = _run(one_worker, "train.py", "--save", "model.keras").splitlines()
    seeds = {int(line.split()[1].rstrip(",")): _printed(line) for line in lines if line.startswith("seed") and ", test:" in line}
    confirmed = [trial for trial in one_worker.trials(name) if trial["role"] == "confirmation" and trial["rule"] is None]
    best = one_worker.get(f"/v1/studies/{name}/best")
    paths = list(best["objective"]["values"])
    stored = {trial["seed"]: {path: trial["metrics"]["test"][path] for path in paths} for trial in confirmed}
    assert len(stored) == 2
    assert {seed: pytest.approx(values, abs=1e-3) for seed, values in stored.items()} == seeds
    verdicts = [line for line in lines if line.startswith("test ")]
    assert len(verdicts) == len(paths)
    assert all(line.endswith(": within") for line in verdicts)
    assert (one_worker.folder / "model.keras").exists()
