r"""Walks through a JSON text of any size in constant memory and tells where its values begin and end.

It checks what it has to understand: brackets match, strings are closed, and on the way to an array and between its
items everything is as RFC 8259 says. What lies inside an item is not looked at more closely than that.

A block that was read has its escapes blanked (`\"` becomes `__`), so that in it a quote is always the end of a string.
"""

from __future__ import annotations

import json
import re

from fanfold.builtin import sources
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import read_exactly, shown, text_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.planning import Source

LARGEST_SCALAR_BYTES = 16 * 1024 * 1024
DEEPEST_NESTING = 1_000_000
KEYS_SHOWN = 10
LONGEST_KEY_BYTES = 64 * 1024
SCALARS_AT_ONCE = 512
SCALAR_BYTES = 16  # of a usual one with its comma; longer ones only take more steps
ANY = 1 << 62  # more than any file has
END = -1
QUOTE, COMMA, COLON = b'",:'
OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = b"{}[]"
CLOSING = {OPEN_OBJECT: CLOSE_OBJECT, OPEN_ARRAY: CLOSE_ARRAY}

_STRING = rb'"[^"]*+"'
_OTHER = rb'[^"{}\[\]]'
_FLAT = rb"\[%b*+(?:%b%b*+)*\]|\{%b*+(?:%b%b*+)*\}" % ((_OTHER, _STRING, _OTHER) * 2)
_SCALAR = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?+[0-9]++)?|true|false|null"
SPACE = re.compile(rb"[ \t\r\n]*+")
SCALAR = re.compile(_SCALAR)
WORD = re.compile(rb'[^ \t\r\n,:"{}\[\]]*+')
PLAIN = re.compile(rb"(?:%b++|%b|%b)*" % (_OTHER, _STRING, _FLAT))
ITEM_AND_COMMA = re.compile(rb"(%b|%b)[ \t\r\n]*+," % (_STRING, _FLAT))
SCALARS_AND_COMMAS = re.compile(rb"(?:[ \t\r\n]*+(?:%b)[ \t\r\n]*+,)*" % _SCALAR)


class JsonCursor:
    """A place in a JSON text that moves forward only."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._base = self._read = text_start(source)
        self._block = b""
        self._at = 0
        self._array_open = False

    @property
    def offset(self) -> int:
        """The place, in bytes from the start of the file."""
        return self._base + self._at

    def peek(self) -> int:
        """The next byte that is not white space, which becomes the place; END behind the last one."""
        while True:
            space = SPACE.match(self._block, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._block):
                return self._block[self._at]
            if not self._more():
                return END

    def enter_array(self, path: Sequence[str] = ()) -> None:
        """Moves into the array at `path`, a key for each level of objects around it."""
        for depth, key in enumerate(path):
            if self.peek() != OPEN_OBJECT:
                raise self.refused(f"{_place(path[:depth])} is not an object, so it has no key {_quoted(key)}")
            self._at += 1
            self._seek_key(path[: depth + 1])
        if self.peek() != OPEN_ARRAY:
            raise self.refused(f"{_place(path)} is not an array")
        self._at += 1
        self._array_open = self.peek() != CLOSE_ARRAY
        if not self._array_open:
            self._at += 1

    def next_items(self, most: int = ANY, until: int = ANY) -> tuple[int, int, int] | None:
        """The next items of the entered array as (start of the first, end of the last, how many); None behind the last.

        It is one item, or as many plain ones as come next, up to `most` of them and ending at `until` at the latest.
        """
        if not self._array_open:
            return None
        self.peek()
        start = self.offset
        count = self._skip_scalars(most, until)
        if count:
            return start, self.offset - 1, count
        quick = ITEM_AND_COMMA.match(self._block, self._at)
        if quick:
            self._at = quick.end()
            return start, self._base + quick.end(1), 1
        self.skip_value()
        end = self.offset
        self._array_open = self._comma_or(CLOSE_ARRAY)
        return start, end, 1

    def finish(self, open_objects: int) -> None:
        """From behind a value inside `open_objects` objects to the end of the text, which must be all there is."""
        if open_objects:
            self._skip_open(bytearray([CLOSE_OBJECT]) * open_objects, self.offset)
        if self.peek() != END:
            raise self.refused("there is more behind the end of the value")

    def skip_value(self) -> None:
        """Moves behind the next value."""
        byte = self.peek()
        if byte == QUOTE:
            self._skip_string()
        elif byte in CLOSING:
            start = self.offset
            self._at += 1
            self._skip_open(bytearray([CLOSING[byte]]), start)
        else:
            self._skip_scalar()

    def refused(self, reason: str, offset: int | None = None) -> InputRefused:
        """The refusal of this text for what stands at `offset`, or else at the place."""
        where = self.offset if offset is None else offset
        return InputRefused(f'"{shown(self._source.name)}", byte {where}: {reason}')

    def _more(self) -> bool:
        """Forgets what lies behind the place and appends the next window; False at the end of the text."""
        left = self._source.size_bytes - self._read
        if not left:
            return False
        kept = self._block[self._at :]
        fresh = read_exactly(self._source, self._read, min(left, max(sources.WINDOW_BYTES, len(kept))))
        if (len(fresh) - len(fresh.rstrip(b"\\"))) % 2 and len(fresh) < left:
            fresh += read_exactly(self._source, self._read + len(fresh), 1)
        self._read += len(fresh)
        if b"\\" in fresh:
            fresh = fresh.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        self._base, self._at, self._block = self._base + self._at, 0, kept + fresh
        return True

    def _skip_string(self) -> None:
        start = self.offset
        self._at += 1
        while (end := self._block.find(b'"', self._at)) < 0:
            self._at = len(self._block)
            if not self._more():
                raise self.refused("the string that begins here is not closed", start)
        self._at = end + 1

    def _skip_scalar(self) -> None:
        while True:
            word = WORD.match(self._block, self._at)
            end = word.end() if word else self._at
            if end < len(self._block) or not self._more():
                break
            if len(self._block) > LARGEST_SCALAR_BYTES:
                raise self.refused("a number is too long, or this is not JSON")
        if not SCALAR.fullmatch(self._block, self._at, end):
            raise self.refused(f"expected a value, found {self._found(end)}")
        self._at = end

    def _skip_scalars(self, most: int, until: int) -> int:
        """Moves behind the commas of the next items that are numbers or literals; how many there were, maybe none."""
        reach = self._at + min(SCALARS_AT_ONCE, most) * SCALAR_BYTES
        run = SCALARS_AND_COMMAS.match(self._block, self._at, min(reach, until - self._base + 1))
        stop = run.end() if run else self._at
        count = self._block.count(b",", self._at, stop)
        while count > most:
            stop = self._block.rindex(b",", self._at, stop - 1) + 1
            count -= 1
        self._at = stop
        return count

    def _skip_open(self, closers: bytearray, start: int) -> None:
        """Moves behind the bracket that closes the outermost of the open ones, whose closing brackets are given."""
        while closers:
            plain = PLAIN.match(self._block, self._at)
            self._at = plain.end() if plain else self._at
            if self._at == len(self._block):
                if not self._more():
                    raise self.refused("the object or array that begins here is not closed", start)
                continue
            byte = self._block[self._at]
            if byte == QUOTE:
                self._skip_string()
                continue
            if byte in CLOSING:
                closers.append(CLOSING[byte])
                if len(closers) > DEEPEST_NESTING:
                    raise self.refused(f"nested more than {DEEPEST_NESTING} levels deep")
            elif byte != closers.pop():
                raise self.refused(f'"{chr(byte)}" closes what another kind of bracket opened')
            self._at += 1

    def _seek_key(self, path: Sequence[str]) -> None:
        """From behind a `{` to behind the colon of the last key of `path`; of equal keys the first one."""
        seen: list[str] = []
        more = self.peek() != CLOSE_OBJECT
        while more:
            if self.peek() != QUOTE:
                raise self.refused("expected a key in quotes")
            start = self.offset
            self._skip_string()
            key = self._text(start, self.offset)
            if self.peek() != COLON:
                raise self.refused('expected ":" behind a key')
            self._at += 1
            if key == path[-1]:
                return
            seen.append(key)
            self.skip_value()
            more = self._comma_or(CLOSE_OBJECT)
        found = ", ".join(_quoted(key) for key in seen[:KEYS_SHOWN]) + (", ..." if len(seen) > KEYS_SHOWN else "")
        raise self.refused(f"{_place(path[:-1])} has no key {_quoted(path[-1])}; it has {found or 'no keys'}")

    def _comma_or(self, closing: int) -> bool:
        """Moves behind a comma (True) or the closing bracket (False)."""
        byte = self.peek()
        if byte not in {COMMA, closing}:
            raise self.refused(f'expected "," or "{chr(closing)}", found {self._found(self._at + 1)}')
        self._at += 1
        return byte == COMMA

    def _text(self, start: int, end: int) -> str:
        """The key that stands between two offsets; one that is too long to be meant by anybody is cut off."""
        if end - start > LONGEST_KEY_BYTES:
            return "..."
        try:
            return str(json.loads(read_exactly(self._source, start, end - start)))
        except ValueError as err:
            raise self.refused(f"a key is not a valid string: {err}", start) from err

    def _found(self, end: int) -> str:
        """What stands between the place and `end`, for a message."""
        text = self._block[self._at : max(end, self._at + 1)][:40].decode("utf-8", "replace")
        return f"'{shown(text)}'" if text else "the end of the file"


def _quoted(key: str) -> str:
    return f'"{shown(key)}"'


def _place(path: Sequence[str]) -> str:
    return _quoted(".".join(path)) if path else "the outermost value"
