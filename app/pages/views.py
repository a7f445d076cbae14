"""The page's templates, and the headers that every page is sent with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app.pages.assets import Assets

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Views:
    """Renders pages: frames that the modules in `static/` fill from REST."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, request: Request, template: str, /, *, status: int = 200, **shown: Any) -> HTMLResponse:
        """Return the page of a template. `base` in it is the path prefix that a proxy answers under, if any."""
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return HTMLResponse(self.text(template, base=base, **shown), status, headers=HEADERS)

    def text(self, template: str, /, **shown: Any) -> str:
        """Return the text of a template."""
        return self._templates.get_template(f"{template}.html").render(assets=self.assets, **shown)
