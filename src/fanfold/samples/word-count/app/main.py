"""Counts the words of one chunk and writes them as {word: count}.

A word never crosses a line end, so counts of chunks cut at line ends add up to the counts of the whole text.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# Letters, joined by single apostrophes: "can't" and "l’Empereur" are one word, "well-known" is two, "1812" is none.
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}


def words(line: str, case: str, min_length: int) -> Iterator[str]:
    """The words of one line, in the wanted case, without those shorter than `min_length` letters."""
    change = CASES[case]
    # One form for one word: "é" as a single character, even where a file spells it as "e" and an accent.
    for found in WORD.finditer(unicodedata.normalize("NFC", line)):
        word = change(found.group().replace("’", "'"))
        if len(word) >= min_length:
            yield word


def count(lines: Iterable[str], case: str = "lower", min_length: int = 1) -> dict[str, int]:
    """How often each word occurs in these lines, in alphabetical order."""
    counts = Counter(word for line in lines for word in words(line, case, min_length))
    return dict(sorted(counts.items()))


def main() -> None:
    params = json.loads(os.environ["APP_PARAMS"])
    # Plain "utf-8" on purpose: a byte order mark is no letter, and only the first chunk would have one to skip.
    with Path(os.environ["TASK_DIR"], "data.bin").open(encoding="utf-8", errors="replace") as chunk:
        counts = count(chunk, params.get("case", "lower"), params.get("min_length", 1))
    result = Path(os.environ["TASK_RESULTS_DIR"], "counts.json")
    result.write_text(json.dumps(counts, ensure_ascii=False), encoding="utf-8")
    print(f"INFO {sum(counts.values())} words, {len(counts)} different ones")


if __name__ == "__main__":
    main()
