"""The few things that asyncio and threads do differently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing as closing
from typing import ParamSpec, TypeVar

__all__ = ["closing", "in_thread", "pause"]

P = ParamSpec("P")
T = TypeVar("T")


async def pause(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something that blocks."""
    return await asyncio.to_thread(call, *args, **kwargs)
