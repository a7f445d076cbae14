"""Write log lines to standard error: for a person in a terminal, as JSON elsewhere."""

from __future__ import annotations

import logging
import sys
import time

import structlog

SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

SAME_WARNING_SECONDS = 60.0


class SameWarningFilter(logging.Filter):
    """Let each warning through once a minute, with the number of those left out: clients must not be able to fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        since, left_out = self._said.get(record.msg, (-SAME_WARNING_SECONDS, 0))
        if now - since < SAME_WARNING_SECONDS:
            self._said[record.msg] = (since, left_out + 1)
            return False
        self._said[record.msg] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like it in between)"
        return True


def configure_logs(level: int = logging.INFO) -> None:
    """Send everything that is logged, through structlog or the standard library, to standard error as one kind of line."""
    in_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if in_terminal
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if in_terminal else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    # Their lines about starting and stopping say nothing that ours do not.
    for chatty in ("uvicorn", "alembic.runtime.plugins", "alembic.runtime.migration"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for provoked in ("uvicorn.error", "steelyard.http"):
        logging.getLogger(provoked).addFilter(SameWarningFilter())
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
