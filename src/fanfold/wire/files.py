"""The public shapes of uploads."""

from __future__ import annotations

from fanfold.wire.base import Shape


class UploadAnswer(Shape):
    """What came and is on disk: the name that programs will see, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str
