"""A page of a listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from fanfold.wire.base import Page as WirePage

T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")

MOST_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Some items of a listing, where they lie in it, and how many there are in all."""

    items: tuple[T_co, ...]
    total: int
    offset: int
    has_next: bool

    def __iter__(self) -> Iterator[T_co]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T_co:
        return self.items[index]


def page_of(items: Iterable[S], place: WirePage) -> Page[S]:
    """A page of what an answer lists."""
    return Page(tuple(items), place.total, place.offset, place.has_next)
