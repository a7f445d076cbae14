"""Which files a workload is made of, and when its version changes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from search.workloads.sources import Sources, is_file, module_place, sources_of, split_place


def write(folder: Path, **texts: str) -> None:
    """Write modules by name; a name with `__` is a path: `shop__parts` is shop/parts.py."""
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def found(place: str) -> Sources:
    sources = sources_of(place)
    assert sources is not None
    return sources


@pytest.mark.parametrize(
    ("place", "parts", "as_module"),
    [
        ("/a/ads.py", ("/a/ads.py", ""), "ads"),
        ("/a/ads.py:Ads.Inner", ("/a/ads.py", "Ads.Inner"), "ads:Ads.Inner"),
        ("shop.ads:Ads", ("shop.ads", "Ads"), "shop.ads:Ads"),
        ("shop.ads", ("shop.ads", ""), "shop.ads"),
    ],
)
def test_a_place_is_a_module_or_a_file(place: str, parts: tuple[str, str], as_module: str) -> None:
    assert (split_place(place), module_place(place)) == (parts, as_module)
    assert is_file(place) == place.startswith("/")


def test_what_a_file_imports_of_the_users_is_part_of_it_recursively(tmp_path: Path) -> None:
    write(
        tmp_path,
        ads="import numpy, json, helper\nfrom shop import parts\n",
        helper="def late():\n    import deep.inner as d\n",
        unused="",
        shop__parts="from . import other\nfrom .more import x\n",
        shop__other="import ads\n",
        shop__more="",
        deep__inner="",
    )
    (tmp_path / "shop" / "__init__.py").write_text("")
    modules = found(f"{tmp_path}/ads.py:Ads").modules
    assert set(modules) == {"ads", "helper", "shop", "shop.parts", "shop.other", "shop.more", "deep.inner"}
    assert (modules["shop"].package, modules["helper"].path) == (True, f"{tmp_path}/helper.py")


def test_the_version_changes_with_any_of_the_files_and_not_with_where_they_lie(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, ads="import helper\n", helper="x = 1\n", unused="y = 1\n")
    place = f"{tmp_path}/one/ads.py"
    before = found(place).version
    assert found(f"{tmp_path}/two/ads.py").version == before
    (tmp_path / "one" / "unused.py").write_text("y = 2\n")
    assert found(place).version == before
    (tmp_path / "one" / "helper.py").write_text("x = 22\n")
    assert found(place).version != before
    (tmp_path / "one" / "helper.py").write_text("x = 1\n")
    assert found(place).version == before


def test_a_file_that_cannot_be_parsed_or_is_gone_has_a_version_too(tmp_path: Path) -> None:
    write(tmp_path, ads="import helper\ndef (\n", helper="")
    broken = found(f"{tmp_path}/ads.py")
    assert set(broken.modules) == {"ads"}
    (tmp_path / "ads.py").unlink()
    gone = found(f"{tmp_path}/ads.py")
    assert gone.modules == {}
    assert gone.version != broken.version


def test_a_module_of_the_users_is_versioned_and_an_installed_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, shop__ads="import versioned_helper\n", versioned_helper="")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert set(found("shop.ads:Ads").modules) == {"shop.ads", "versioned_helper"}
    assert [sources_of(place) for place in ("numpy:array", "json", "search.workloads.digits:Digits", "nobody_has_it")] == [None] * 4


def test_any_bytes_survive(tmp_path: Path) -> None:
    content = b"# -*- coding: latin-1 -*-\nname = '\xe9'\n"
    (tmp_path / "ads.py").write_bytes(content)
    assert found(f"{tmp_path}/ads.py").modules["ads"].content == content


def test_a_file_that_another_of_the_same_size_replaced_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, ads="x = 1\n", new="x = 2\n")
    before = found(f"{tmp_path}/ads.py").version
    os.replace(tmp_path / "new.py", tmp_path / "ads.py")
    assert found(f"{tmp_path}/ads.py").version != before
