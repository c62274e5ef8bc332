"""What a splitter promises the server: a plan of byte ranges, made with small reads, without a copy of the input.

A plan holds no state outside itself: asked twice about the same sources it gives the same chunks, and the splitter run
as a program writes exactly the planned bytes.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # typing's own costs 4 ms of start-up; type checkers know this one as well
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import NamedTuple, Protocol

    class Source(Protocol):
        """One file of the input, wherever it lies."""

        @property
        def name(self) -> str:
            """The path below the source folder, with `/` between its parts."""

        @property
        def size_bytes(self) -> int:
            """The size when the plan was asked for."""

        def read(self, offset: int, length: int) -> bytes:
            """The bytes from `offset` on, at most `length`; fewer only at the end of the file."""

    class PlannedChunk(NamedTuple):
        """One chunk: `prefix`, then `length` bytes of `sources[source]` from `offset` on, then `suffix`."""

        source: int
        offset: int
        length: int
        prefix: bytes = b""
        suffix: bytes = b""
        label: str = ""

    Plan = Callable[[Sequence[Source], Mapping[str, object]], Iterator[PlannedChunk]]
else:
    Source = object
    PlannedChunk = namedtuple(  # noqa: PYI024 - the typed form stands above
        "PlannedChunk", ("source", "offset", "length", "prefix", "suffix", "label"), defaults=(b"", b"", "")
    )


class InputRefused(ValueError):
    """The input or a param is not what the block can work with; the message is a sentence for who gave it."""
