"""How a server logs: JSON lines to standard error; warnings only, unless it is asked to say more."""

from __future__ import annotations

import logging
import sys

import structlog


def log_to_stderr(*, verbose: bool) -> None:
    """Configure structlog for this process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
