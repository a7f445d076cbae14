"""Every example is trained for real, shortened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.service import Service

EXAMPLES = Path(__file__).parents[2] / "examples"
STUDIES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.json"))
ELSEWHERE = {"digits.json", "digits_overlay.json", "table.json"}
"""What other tests here train, or their workload."""


@pytest.mark.parametrize("file", [pytest.param(file, marks=pytest.mark.soak if file in ELSEWHERE else ()) for file in STUDIES])
def test_an_example_runs_to_its_end(one_worker: Service, file: str) -> None:
    definition: dict[str, Any] = json.loads((EXAMPLES / file).read_text())
    definition["search"] |= {"trials": 3, "cohort_size": 2, "baselines": [], "confirmation": {"top": 1, "seeds": 2}}
    definition["training"]["epochs"] = 2
    name = one_worker.submit(definition)
    study = one_worker.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    pick = {"pick": "confirmed"} if definition["objective"]["aggregate"] == "pareto" else {}
    best = one_worker.get(f"/v1/studies/{name}/best", **pick)
    assert best["baselines"]["current"]["trial"] == 0
    assert set(best["metrics"]["validation"]) >= set(best["objective"]["values"])
