"""Take the pictures of the page that README and `docs/page.md` show: `python -m benchmarks.pictures [NAME ...]`.

A service with one worker trains the studies, some minutes on two cores, and a browser opens them. `--url` takes a running service
instead, which need not train again what it has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.page import QUIET, READY, executable
from benchmarks.problems import digits_mlp
from benchmarks.scripts import ROOT
from benchmarks.through_the_service import serving
from steelyard.client import Client
from steelyard.study_templates import overlay

FOLDER = ROOT / "docs" / "pictures"
EXAMPLES = ("digits_mask", "learning_rate", "pareto", "digits")
"""Files of `examples/` whose studies stand in the list beside the demo's."""

DEMO, DIGITS = "/studies/overlay", "/studies/digit-and-parity"
MARGIN = 16
"""Pixels around what a picture is of."""

PATIENCE = 60_000


@dataclass(frozen=True)
class Picture:
    """A view of the page, `width` pixels wide, from the top of the element `first` to the end of `last` (CSS selectors)."""

    path: str
    first: str
    last: str
    width: int = 1200
    dark: bool = False


PICTURES: Mapping[str, Picture] = {
    "study": Picture(DEMO, "header", "#verdict", width=1000),
    "study-dark": Picture(DEMO, "header", "#verdict", width=1000, dark=True),
    "study-phone": Picture(DEMO, "header", "#verdict", width=390),
    "side-by-side": Picture(DEMO, "#compare", "#compare"),
    "trade-off": Picture(DEMO, "#tradeoff", "#weights", width=1000),
    "weights": Picture(DIGITS, "#weights", "#weights"),
    "trials": Picture(f"{DEMO}?phase=search&order=-objective", "#trials", "#trials"),
    "trial": Picture(f"{DIGITS}/trials/3", "header", "#content"),  # of the baseline whose weights move
    "studies": Picture("/", "header", "table"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is to be seen, take the pictures that were asked for, and print the size of each."""
    given = _parser().parse_args(arguments)
    with _service(given.url) as client, browsing() as browser:
        train(client)
        for name in given.names or PICTURES:
            image = take(browser, client.base_url, PICTURES[name])
            file = Path(given.folder) / f"{name}.png"
            file.write_bytes(image)
            sys.stdout.write(f"{file}: {len(image) / 1000:.0f} kB\n")
    return 0


def train(client: Client) -> None:
    """Wait until the service has trained all that is on the pictures, the demo's study last: it stands first in the list."""
    definitions: list[Any] = [ROOT / "examples" / f"{name}.json" for name in EXAMPLES]
    for definition in (*definitions, overlay()):
        study = client.wait(client.submit(definition))
        if study["state"] != "COMPLETE":
            raise SystemExit(f"{study['name']} ended {study['state']}")


def take(browser: Any, origin: str, picture: Picture) -> bytes:
    """Return a PNG of what the picture is of, with every figure drawn."""
    scheme = "dark" if picture.dark else "light"
    page = browser.new_page(viewport={"width": picture.width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    try:
        page.goto(f"{origin}{picture.path}")
        page.wait_for_selector(READY, timeout=PATIENCE)
        for figure in page.query_selector_all("figure:visible"):
            figure.scroll_into_view_if_needed()
            figure.wait_for_selector(".main-svg", timeout=PATIENCE)
        page.wait_for_selector('#live[data-state="live"]', timeout=PATIENCE)
        page.evaluate("scrollTo(0, 0)")
        first, last = (page.locator(selector).first.bounding_box() for selector in (picture.first, picture.last))
        top = max(first["y"] - MARGIN, 0)
        clip = {"x": 0, "y": top, "width": picture.width, "height": last["y"] + last["height"] + MARGIN - top}
        return bytes(page.screenshot(full_page=True, clip=clip))
    finally:
        page.close()


@contextmanager
def browsing() -> Iterator[Any]:
    """Run a browser for the length of a block."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("pictures need a browser's driver: pip install -e '.[test-heavy]'") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=[*QUIET])
        yield browser
        browser.close()


@contextmanager
def _service(url: str | None) -> Iterator[Client]:
    if url is not None:
        with Client(url) as client:
            yield client
        return
    with serving(digits_mlp(quick=True), 1) as service:
        yield service.client


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.pictures", description="Take the pictures of the page again.")
    parser.add_argument("names", nargs="*", type=_picture, metavar="NAME", help=f"which ones: {', '.join(PICTURES)}")
    parser.add_argument("--url", help="take them of this service (default: one of its own)")
    parser.add_argument("--folder", default=str(FOLDER), help="where they go (default: docs/pictures)")
    return parser


def _picture(text: str) -> str:
    if text not in PICTURES:
        raise argparse.ArgumentTypeError(f"there is no picture {text!r}, only {', '.join(PICTURES)}")
    return text


if __name__ == "__main__":
    sys.exit(main())
