"""The folder in which workloads are registered: written for one user, and read only where nobody else may have written it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from search.workloads import watched as watched_module
from search.workloads.watched import FORMAT, NotRegistered, register, watched


def test_what_is_registered_is_found_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "workloads"
    file = register(folder, "ads", "/shop/ads.py:Ads")
    assert watched(folder).places == {"ads": "/shop/ads.py:Ads"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]
    register(folder, "ads", "/shop/other.py")
    assert watched(folder).places == {"ads": "/shop/other.py"}
    assert [path.name for path in folder.iterdir()] == ["ads.json"]


def test_a_folder_that_is_not_there_has_no_workloads(tmp_path: Path) -> None:
    assert watched(tmp_path / "none") == watched_module.Watched()


def _link(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda file: file.chmod(0o620), "others may write"),
        (lambda file: file.chmod(0o602), "others may write"),
        (_link, "ads.json: Too many levels of symbolic links"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "is not a plain file"),
        (lambda file: file.write_text("{"), f'should hold {{"format": "{FORMAT}"'),
        (lambda file: file.write_text(f'{{"format": "{FORMAT}", "place": "ads.py"}}'), "should hold"),
        (lambda file: file.write_text(f'{{"format": "{FORMAT}", "place": "os:system"}}'), "should hold"),
        (lambda file: file.write_text("[]"), "should hold"),
    ],
)
def test_a_file_that_others_may_have_written_or_that_is_none_does_not_count(
    tmp_path: Path, change: Callable[[Path], object], fault: str
) -> None:
    register(tmp_path, "sound", "/shop/ads.py")
    change(register(tmp_path, "ads", "/shop/ads.py"))
    found = watched(tmp_path)
    assert found.places == {"sound": "/shop/ads.py"}
    assert fault in found.faults["ads"]


def test_a_folder_that_others_may_write_does_not_count_and_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "workloads"
    register(folder, "ads", "/shop/ads.py")
    folder.chmod(0o770)
    found = watched(folder)
    assert found.places == {}
    assert found.faults[""].endswith(f"(mode 0770), so workloads in it do not count: chmod go-w {folder}")
    with pytest.raises(NotRegistered, match="others may write"):
        register(folder, "ads", "/shop/ads.py")


def test_what_belongs_to_another_user_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "workloads"
    register(folder, "ads", "/shop/ads.py")
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    found = watched(folder)
    assert found.places == {}
    assert "belongs to another user" in found.faults[""]


def test_a_linked_folder_does_not_count(tmp_path: Path) -> None:
    register(tmp_path / "real", "ads", "/shop/ads.py")
    (tmp_path / "workloads").symlink_to(tmp_path / "real")
    assert "is not a plain folder" in watched(tmp_path / "workloads").faults[""]
