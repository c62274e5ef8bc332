"""How a server logs: JSON lines to standard error; warnings only, unless it is asked to say more."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import structlog

_SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)

LABELS = ("job", "account", "state", "task")
"""What a line of a job may be looked up by."""


class LogMask:
    """The last processor: takes the values of secrets out of whole lines, once a server that knows them is there."""

    def __init__(self) -> None:
        self._mask: Callable[[str], str] | None = None

    def use(self, mask: Callable[[str], str]) -> None:
        """Mask every further line."""
        self._mask = mask

    def __call__(self, _logger: Any, _method: str, line: Any) -> Any:
        """See `structlog.typing.Processor`."""
        return line if self._mask is None or not isinstance(line, str) else self._mask(line)


def log_to_stderr(*, verbose: bool) -> LogMask:
    """Configure this process: what is logged through structlog and through the standard library looks the same."""
    mask = LogMask()
    level = logging.INFO if verbose else logging.WARNING
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer(), mask],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(LABELS)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
                mask,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    return mask
