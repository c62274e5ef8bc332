"""Which files beside a script belong to it."""

from pathlib import Path

import pytest

from fanfold.services.siblings import imported_beside


def found(folder: Path, files: dict[str, str]) -> set[str]:
    """What `script.py` imports of these files, by name."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {str(path.relative_to(folder)) for path in imported_beside(folder / "script.py")}


def test_modules_are_found_through_each_other(tmp_path: Path) -> None:
    files = {"script.py": "import one", "one.py": "from two import x", "two.py": "import one\nx = 1", "three.py": ""}
    assert found(tmp_path, files) == {"one.py", "two.py"}


def test_a_package_comes_whole_with_its_data(tmp_path: Path) -> None:
    files = {
        "script.py": "import words.deep.inner",
        "words/__init__.py": "import beside",
        "words/deep/__init__.py": "",
        "words/list.txt": "",
        "words/__pycache__/x.pyc": "",
        "beside.py": "",
    }
    expected = {"words/__init__.py", "words/deep/__init__.py", "words/list.txt", "beside.py"}
    assert found(tmp_path, files) == expected


def test_imports_inside_functions_count(tmp_path: Path) -> None:
    assert found(tmp_path, {"script.py": "def f():\n    import late\n", "late.py": ""}) == {"late.py"}


@pytest.mark.parametrize("text", ["import (", "import json, os", "import script", "x = b'\\0'", "from . import other"])
def test_what_is_not_beside_it_adds_nothing(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, {"script.py": text, "other.py": ""}) == set()
