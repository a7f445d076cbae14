"""Pickles of a user's functions: loaded only where the same user wrote them and nobody else can have."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from search.errors import PreflightError
from search.training.user.pickles import read_pickle, write_pickle


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give a file with a pickled function, under the least careful umask."""
    before = os.umask(0)
    try:
        write_pickle(tmp_path / "function.pickle", lambda: 42)
    finally:
        os.umask(before)
    return tmp_path / "function.pickle"


def test_what_was_written_is_loaded(kept: Path) -> None:
    assert read_pickle(kept)() == 42


def test_only_its_user_can_read_and_write_it(kept: Path) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_replaced_and_its_openness_with_it(kept: Path) -> None:
    kept.chmod(0o666)
    write_pickle(kept, 1)
    assert read_pickle(kept) == 1


def test_what_cannot_be_pickled_leaves_the_file_as_it_is(kept: Path) -> None:
    with pytest.raises(TypeError):
        write_pickle(kept, (each for each in "generator"))
    assert read_pickle(kept)() == 42


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_or_write_is_not_loaded(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    with pytest.raises(PreflightError, match=f"mode {mode:o}"):
        read_pickle(kept)


def test_a_file_of_another_user_is_not_loaded(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
    with pytest.raises(PreflightError, match=r"function\.pickle is not loaded, since loading it runs code"):
        read_pickle(kept)


def test_a_link_is_not_followed(kept: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.pickle"
    link.symlink_to(kept)
    with pytest.raises(PreflightError, match=r"link\.pickle cannot be read"):
        read_pickle(link)
