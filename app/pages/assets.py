"""The page's static files: found once, served under a name that changes with their content, compressed, kept for ever."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from fastapi import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
DIGITS = 12
LEVEL = 6
"""Of compression: 9 takes three times as long for plotly.js, and saves 1 %."""

IMPORT = re.compile(r'(from|import) "\./([\w-]+\.js)"')
KEPT_BOXES = re.compile(rb"(\.savedBBoxes=\{\};var \w+=0,\w+=)1e4;")
FOR_EVER = "public, max-age=31536000, immutable"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def plotly_file() -> Path:
    """Return the file of plotly.js in the wheel `plotly`, which is not imported. Raises FileNotFoundError."""
    spec = find_spec("plotly")
    for place in spec.submodule_search_locations or () if spec is not None else ():
        if (file := Path(place) / "package_data" / PLOTLY).is_file():
            return file
    raise FileNotFoundError("the package plotly has no plotly.min.js")


def eager(script: bytes) -> bytes:
    """Return plotly.js with parentheses around the one function that it is made of; what has another form comes back as it is.

    A browser compiles a function in parentheses on another thread while the script loads; any other one is compiled when it is
    called, on the thread that draws the page: some 0.2 s for this one.
    """
    head, tail = b', () => {\n"use strict";', b"return Plotly;\n}));"
    if script.count(head) != 1 or not script.rstrip().endswith(tail):
        return script
    return script.rstrip().replace(head, head.replace(b"() =>", b"(() =>")).removesuffix(tail) + tail.replace(b"}));", b"})));")


def forgetful(script: bytes) -> bytes:
    """Return plotly.js with a bound of 1,000 texts to the boxes that it keeps of them; what has another form comes back as it is.

    A box is kept by the text and its place, so an axis that moves with every trial adds all its labels anew: 5 MB until the bound
    of 10,000. All figures of a study have some 300 texts.
    """
    found = KEPT_BOXES.findall(script)
    return KEPT_BOXES.sub(rb"\g<1>1e3;", script) if len(found) == 1 else script


def as_sent(script: bytes) -> bytes:
    """Return plotly.js as the page loads it."""
    return forgetful(eager(script))


@dataclass(slots=True)
class Asset:
    """A static file. `address` is its place below the service's root, `changed` what is done to its content before it is sent."""

    file: Path
    address: str
    changed: Callable[[bytes], bytes] = bytes
    _packed: bytes | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def media_type(self) -> str:
        return TYPES.get(self.file.suffix) or mimetypes.guess_type(self.file.name)[0] or "application/octet-stream"

    def content(self) -> bytes:
        """Return what is sent of the file."""
        return self.changed(self.file.read_bytes())

    def packed(self) -> bytes:
        """Return the compressed file, which is made once."""
        with self._lock:
            if self._packed is None:
                self._packed = gzip.compress(self.content(), LEVEL, mtime=0)
            return self._packed


class Assets:
    """All static files by address. Our own share one digest, so that modules find each other by relative names."""

    def __init__(self) -> None:
        own = sorted(STATIC.iterdir())
        folder = _digest(file.name.encode() + file.read_bytes() for file in own)
        self._by_address = {address: Asset(file, address) for file in own for address in [f"assets/{folder}/{file.name}"]}
        self.folder = f"assets/{folder}"
        plotly = plotly_file()
        self.plotly = f"assets/{_digest([as_sent(plotly.read_bytes())])}/{PLOTLY}"
        self._by_address[self.plotly] = Asset(plotly, self.plotly, as_sent)

    def pack(self) -> None:
        """Compress all files, which takes 0.2 s: else the first who looks waits for it."""
        for asset in self._by_address.values():
            asset.packed()

    def imported(self, name: str) -> list[str]:
        """Return the modules that one of ours needs, itself and what they import in turn: a page asks for all of them at once."""
        found = [name]
        for each in found:
            found += [other for _, other in IMPORT.findall((STATIC / each).read_text(encoding="utf-8")) if other not in found]
        return found

    def own(self) -> dict[str, str]:
        """Return the text of our own files by name."""
        return {file.name: file.read_text(encoding="utf-8") for file in sorted(STATIC.iterdir())}

    def answer(self, request: Request, address: str) -> Response:
        """Return the file at an address below the root, compressed where the client takes that; 404 where there is none."""
        asset = self._by_address.get(address)
        if asset is None:
            return Response("there is no such file", 404, media_type="text/plain")
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(asset.content(), headers=headers, media_type=asset.media_type)
        return Response(asset.packed(), headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)


def _digest(contents: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()[:DIGITS]
