"""What works on the Python of today's laptop and not on the oldest one that is promised."""

import ast
import re

from tests.arch.source import modules

POSSESSIVE_GROUP = re.compile(r"\)[*+?]\+|\(\?>")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """CPython 3.11.0 to 3.11.4 (Debian 12 has 3.11.2) keep what a failed round read; single characters are fine."""
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
                if POSSESSIVE_GROUP.search(text):
                    found.append(f"{module.at(node)}: {text[:100]}")
    assert not found, "\n".join(found)
