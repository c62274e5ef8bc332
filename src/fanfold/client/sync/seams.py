"""The few things that asyncio and threads do differently."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import ParamSpec, TypeVar

__all__ = ["closing", "in_thread", "pause"]

P = ParamSpec("P")
T = TypeVar("T")


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something that blocks, here."""
    return call(*args, **kwargs)
