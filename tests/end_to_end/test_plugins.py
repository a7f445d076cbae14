"""A package outside of this project, installed beside it: its sampler, pruner, aggregate, penalty and rule in one study."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from search.catalog import KINDS
from tests.end_to_end.service import Service, serving, until
from tests.end_to_end.studies import EXAMPLES, flagship

METRICS = ("digit.sparse_categorical_accuracy", "parity.binary_accuracy")
BROKEN = {
    "METADATA": "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n",
    "entry_points.txt": "[steelyard.samplers]\nbroken = steelyard_broken:SAMPLER\n",
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose worker has the package of examples/plugins, and another that cannot be loaded."""
    folder = tmp_path_factory.mktemp("plugins")
    package, site = folder / "package", folder / "site"
    shutil.copytree(EXAMPLES / "plugins", package)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(package)], check=True)
    (site / "broken-1.0.dist-info").mkdir()
    for name, text in BROKEN.items():
        (site / "broken-1.0.dist-info" / name).write_text(text)
    with serving(folder, workers=1, environment={"PYTHONPATH": str(site)}) as running:
        until(lambda: any(entry["name"] == "huber" for entry in running.get("/v1/catalog")["penalties"]), "plug-ins are published")
        yield running


def study(**changes: Any) -> dict[str, Any]:
    """Return the digits example with each part from outside."""
    definition = flagship(
        sampler={"name": "centred", "config": {"width": 0.5}},
        pruner={"name": "left-behind", "config": {"margin": 0.0}},
        trials=6,
        confirmation={"top": 1, "seeds": 2},
        baselines=["equal-size"],
    )
    definition["objective"]["aggregate"] = "harmonic-mean"
    definition["penalties"][0] |= {"penalty": "huber", "config": {"delta": 0.25}}
    definition["training"]["epochs"] = 3
    return definition | changes


@pytest.fixture(scope="module")
def finished(extended: Service) -> dict[str, Any]:
    return extended.finished(extended.submit(study()))


def test_a_study_of_plug_ins_alone_comes_to_its_end(extended: Service, finished: dict[str, Any]) -> None:
    assert finished["state"] == "COMPLETE", finished["reason"]
    trials = extended.trials(finished["name"], role="search")
    assert {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    assert all("behind trial" in trial["reason"]["message"] for trial in trials if trial["state"] == "PRUNED")
    middle = [trial["parameters"]["parity.crossentropy"] for trial in trials]
    assert all(0.1 <= drawn <= 10 for drawn in middle)  # half of 0.01 to 100, on a logarithmic scale
    for trial in trials:
        left, right = (trial["objective"]["values"][path] for path in METRICS)
        assert trial["objective"]["value"] == pytest.approx(2 / (1 / left + 1 / right))
        assert 0 < trial["metrics"]["validation"]["agreement"] < 0.25 * (1 - 0.125)  # |a - b| is at most 1


def test_the_winner_is_confirmed_by_the_aggregate_from_outside(extended: Service, finished: dict[str, Any]) -> None:
    best = extended.get(f"/v1/studies/{finished['name']}/best")
    again = [trial for trial in extended.trials(finished["name"], role="confirmation") if trial["weights"] == best["weights"]]
    values = [2 / sum(1 / trial["metrics"]["test"][path] for path in METRICS) for trial in again]
    confirmed = best["confirmation"]["candidates"][f"trial {best['trial']}"]
    assert len(values) == 2
    assert confirmed["value"]["mean"] == pytest.approx(math.fsum(values) / 2)
    assert best["confirmation"]["against"].keys() == {"current", "equal-size"}


def test_the_rule_from_outside_moves_its_weights_by_its_formula(extended: Service, finished: dict[str, Any]) -> None:
    baselines = extended.trials(finished["name"], role="baseline")
    (number,) = [trial["number"] for trial in baselines if trial["rule"] == "equal-size"]
    epochs = extended.get(f"/v1/studies/{finished['name']}/trials/{number}")["intermediate_values"]
    means = epochs[1]["train"]
    inverse = {path: 1 / mean for path, mean in means.items()}
    expected = {path: len(means) * part / sum(inverse.values()) for path, part in inverse.items()}
    assert epochs[2]["weights"] == pytest.approx(expected, rel=1e-5)


def test_other_objectives_judge_the_study_and_this_one_only_itself(extended: Service, finished: dict[str, Any]) -> None:
    path = f"/v1/studies/{finished['name']}/rank"
    metrics = [{"metric": path} for path in METRICS]
    own = extended.post(path, {"objective": {"aggregate": "harmonic-mean", "metrics": metrics}}).json()
    assert own["best"] == finished["best"]["number"]
    assert extended.post(path, {"objective": {"aggregate": "worst", "metrics": metrics}}).status_code == 200
    metrics[0]["utility"] = 2.0  # type: ignore[assignment]
    other = extended.post(path, {"objective": {"aggregate": "harmonic-mean", "metrics": metrics}})
    assert "computed by workers alone" in other.text


def test_the_catalog_lists_what_the_worker_published(extended: Service) -> None:
    catalog = extended.get("/v1/catalog")
    listed = {kind: {entry["name"] for entry in catalog[kind]} for kind in KINDS}
    assert listed["samplers"] >= {"centred", "tpe"}
    assert listed["pruners"] >= {"left-behind", "median"}
    assert listed["aggregates"] >= {"harmonic-mean", "mean"}
    assert listed["penalties"] >= {"huber", "consistency"}
    assert listed["weighting_rules"] >= {"equal-size", "dwa"}
    assert "equal-size" in {baseline["name"] for baseline in catalog["baselines"]}


def test_a_plug_in_s_config_is_checked_before_anything_runs(extended: Service) -> None:
    definition = study()
    definition["search"]["sampler"]["config"] = {"width": 2}
    assert extended.post("/v1/studies", definition).json()["errors"][0]["path"] == "search.sampler.config.width"


def test_one_that_cannot_be_loaded_is_refused_with_the_reason(extended: Service) -> None:
    definition = study()
    definition["search"]["sampler"] = {"name": "broken"}
    (fault,) = extended.post("/v1/studies", definition).json()["errors"]
    assert fault["path"] == "search.sampler.name"
    assert "a worker could not load: ModuleNotFoundError: No module named 'steelyard_broken'" in fault["got"]
