"""A file of the user's that hides a package of ours is found at import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("hiding", ["search.py", "storage/__init__.py", "app.py"])
def test_a_file_beside_the_script_that_hides_a_package_is_named_with_its_path(tmp_path: Path, hiding: str) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).write_text("")
    (tmp_path / "train.py").write_text("import steelyard\n")
    ran = subprocess.run([sys.executable, str(tmp_path / "train.py")], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert f"{tmp_path / hiding} hides Steelyard's own package" in ran.stderr


def test_other_files_beside_the_script_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "searching.py").write_text("")
    (tmp_path / "train.py").write_text("import steelyard\nprint(steelyard.Client)\n")
    ran = subprocess.run([sys.executable, str(tmp_path / "train.py")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
