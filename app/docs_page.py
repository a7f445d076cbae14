"""The page `/docs`: the OpenAPI description made readable. Its scripts come from a package, so it needs no other server."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PAGE = "/docs"
ASSETS = f"{PAGE}/assets"


def install(app: FastAPI) -> None:
    """Serve the page and what it loads."""
    app.mount(ASSETS, StaticFiles(directory=Path(str(files("fastapi_offline"))) / "static"), name="assets")

    @app.get(PAGE, include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{base}{app.openapi_url}",
            title=f"{app.title}: reference",
            swagger_js_url=f"{base}{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{base}{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{base}{ASSETS}/favicon.png",
            swagger_ui_parameters={"defaultModelsExpandDepth": 2, "docExpansion": "list", "tryItOutEnabled": True},
        )
