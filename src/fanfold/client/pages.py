"""A page of a listing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a listing, where they lie in it, and how many there are in all."""

    items: tuple[T, ...]
    total: int
    offset: int
    has_next: bool

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]
