"""R22: the harness catches what it claims to. Each defect is put into a copy of the product and must be found."""

from pathlib import Path

import pytest

from tests.faults.defects import DEFECTS, Defect, defective_tree, played, run_tests

SEEDS = 300


@pytest.mark.timeout(120)
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
def test_a_seeded_defect_is_caught(defect: Defect, tmp_path: Path) -> None:
    source = defective_tree(defect, tmp_path)
    found = run_tests(source, defect.tests) if defect.tests else played(source, 0, SEEDS)
    assert found.returncode == 1, f"{defect.tests or SEEDS} did not show it: {found.stdout}{found.stderr}"
    # What the database's own keys refuse is caught as well.
    assert defect.caught_as in found.stdout or "IntegrityError" in found.stdout, found.stdout + found.stderr


def test_the_copied_tree_is_what_is_played(tmp_path: Path) -> None:
    source = tmp_path / "src" / "fanfold"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("raise SystemExit('the copy')\n")
    assert "the copy" in played(source.parent, 0, 1).stderr
