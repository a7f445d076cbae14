"""What the documents for developers name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`((?:search|storage|app|steelyard|tests|benchmarks|examples)/[\w/.]+)`")


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md", "benchmarks/README.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    named = set(NAMED.findall((ROOT / document).read_text()))
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
