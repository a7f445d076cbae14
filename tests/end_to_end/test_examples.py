"""Every example is trained for real, shortened."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.service import Service, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
STUDIES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.json"))
ELSEWHERE = {"digits.json", "digits_overlay.json", "table.json"}
"""What other tests here train, or their workload."""


@pytest.fixture(scope="module")
def exampled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has the examples' workloads, and sentences of the tests' own."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "sentences").mkdir()
    draw = random.Random(0)
    for topic, nouns in {"phones": ["battery", "screen", "case"], "films": ["plot", "actor", "scene"]}.items():
        lines = [_sentence(draw, nouns) for _ in range(60)]
        (folder / "sentences" / f"{topic}.txt").write_text("\n".join(lines) + "\n")
    environment = {
        "STEELYARD_WORKLOADS": "table=table,taxonomy=taxonomy,sentiment-topic=workload:SentimentTopic",
        "PYTHONPATH": f"{EXAMPLES}:{EXAMPLES / 'sentiment_topic'}",
    }
    with serving(folder, workers=1, environment=environment) as service:
        yield service


def _sentence(draw: random.Random, nouns: list[str]) -> str:
    good = draw.random() < 0.5
    return f"The {draw.choice(nouns)} is {draw.choice(['great', 'lovely'] if good else ['awful', 'poor'])}.\t{int(good)}"


@pytest.mark.parametrize("file", [pytest.param(file, marks=pytest.mark.soak if file in ELSEWHERE else ()) for file in STUDIES])
def test_an_example_runs_to_its_end(exampled: Service, file: str) -> None:
    definition: dict[str, Any] = json.loads((EXAMPLES / file).read_text())
    definition["search"] |= {"trials": 3, "cohort_size": 2, "baselines": [], "confirmation": {"top": 1, "seeds": 2}}
    definition["training"]["epochs"] = 2
    name = exampled.submit(definition)
    study = exampled.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    pick = {"pick": "confirmed"} if definition["objective"]["aggregate"] == "pareto" else {}
    best = exampled.get(f"/v1/studies/{name}/best", **pick)
    assert best["baselines"]["current"]["trial"] == 0
    assert set(best["metrics"]["validation"]) >= set(best["objective"]["values"])
