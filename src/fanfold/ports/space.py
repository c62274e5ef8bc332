"""Whether there is room for new work."""

from __future__ import annotations

from typing import Protocol


class Space(Protocol):
    """The disk of the state folder, as those see it who take new work."""

    def shortage(self) -> str:
        """Why no new work is taken now, the same sentence while that lasts; "" where there is room."""

    def check(self) -> None:
        """Raise OutOfSpace, saying why, where no new work is taken now."""
