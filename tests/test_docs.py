"""What the documents for developers name exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from search.definition.schema import StudyDefinition

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`((?:search|storage|app|steelyard|tests|benchmarks|examples)/[\w/.]+)`")


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md", "benchmarks/README.md", "docs/operations.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    named = set(NAMED.findall((ROOT / document).read_text()))
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_study_that_is_explained_can_be_submitted() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "study.md").read_text(), re.DOTALL)
    assert StudyDefinition.model_validate(json.loads(shown)).name == "digit-and-parity"


def test_the_plug_in_that_is_explained_is_the_one_that_is_tested() -> None:
    text, folder = (ROOT / "docs" / "plugins.md").read_text(), ROOT / "examples" / "plugins"
    shown: dict[str, Any] = {}
    tested: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], shown)
    exec((folder / "steelyard_extras" / "aggregate.py").read_text(), tested)
    counted = [tested["OptimizedMetric"](utility, value) for utility, value in ((1.0, 0.5), (2.0, 0.8))]
    assert shown["HARMONIC_MEAN"] == tested["HARMONIC_MEAN"]
    assert shown["value"](counted, {}) == tested["value"](counted, {}) == pytest.approx(3 / (1 / 0.5 + 2 / 0.8))
    assert re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0] in (folder / "pyproject.toml").read_text()


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_every_link_leads_to_a_file(document: str) -> None:
    at = (ROOT / document).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text())
    assert sorted(link for link in links if "://" not in link and not (at / link).exists()) == []


def test_every_test_that_a_fault_is_shown_by_exists() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"(?<![*\w])`([\w/]+\.py)(?:::(test_\w+?)_?(…?))?`", text)
    assert len(named) > 20
    for file, start, _ in named:
        path = ROOT / ("" if file.startswith("benchmarks/") else "tests") / file
        assert path.exists(), file
        assert not start or re.search(rf"^def {start}", path.read_text(), re.MULTILINE), f"{file}::{start}"


def test_the_table_has_every_fault_each_with_its_outcome_and_a_test() -> None:
    _, _, table = (ROOT / "docs" / "reliability.md").read_text().partition("## Faults and tests")
    table, _, _ = table.partition("\n## ")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")][2:]
    assert {row[0] for row in rows if row[0]} == {str(number) for number in range(1, 18)}
    for fault in rows:
        assert len(fault) == 6, fault
        assert all(fault[1:]), fault
        assert re.search(r"`[\w/]+\.py(::test_\w+…?)?`", fault[-1]), fault
