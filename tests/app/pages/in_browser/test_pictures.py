"""The pictures in the documents: each is there, shown, and taken of what it is said to be of."""

from __future__ import annotations

import re
import struct

from benchmarks.pictures import FOLDER, PICTURES, Picture, take
from benchmarks.scripts import ROOT
from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import Served

PNG = b"\x89PNG\r\n\x1a\n"


def size(image: bytes) -> tuple[int, int]:
    """Return the width and height that a PNG states."""
    assert image.startswith(PNG)
    return struct.unpack(">II", image[16:24])


def test_every_picture_that_documents_show_is_one_that_is_taken() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for document in documents for name in re.findall(r"pictures/([\w-]+)\.png", document.read_text())}
    assert shown == set(PICTURES) == {file.stem for file in FOLDER.glob("*.png")}


def test_a_picture_ends_with_what_it_is_of(served: Served) -> None:
    path = f"/studies/{scenes.FINISHED}"
    whole, answer = (size(take(served.browser, served.origin, Picture(path, "header", last, 600))) for last in ("main", "#verdict"))
    assert whole[0] == answer[0] == 600
    seen = served.tab(viewport={"width": 600, "height": 900}).open(path)
    end = seen.page.locator("#verdict").bounding_box()
    assert 0 < answer[1] - (end["y"] + end["height"]) < 20
    assert whole[1] > 2 * answer[1]
