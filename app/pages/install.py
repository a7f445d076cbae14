"""Put the page into the service."""

from __future__ import annotations

from fastapi import FastAPI

from app.pages import routes
from app.pages.assets import Assets
from app.pages.views import Views


def install(app: FastAPI) -> None:
    """Serve the page at `/`; a study's address keeps what is shown of it as query parameters, which its modules read."""
    app.state.views = Views(Assets())
    app.include_router(routes.router)
