"""Run the service under uvicorn so that a shutdown is noticed by requests that wait."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS = 20
KEEP_ALIVE_SECONDS = 20


class ApiServer(uvicorn.Server):
    """Serves one app. From the first signal on readiness is 503 and long polls answer; a second signal ends at once."""

    def __init__(self, app: FastAPI, *, host: str = "127.0.0.1", port: int = 8000, log_level: str = "info") -> None:
        self._closing = app.state.closing
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level=log_level,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                server_header=False,
            )
        )

    def handle_exit(self, sig: int, frame: object) -> None:
        self._closing.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]
