"""What a finished run leaves is removed whole, however much it is."""

from pathlib import Path

import pytest

from fanfold.cli.run_state import discard


@pytest.mark.parametrize("count", [3, 250])
def test_a_run_with_few_or_many_results_leaves_nothing(count: int, tmp_path: Path) -> None:
    state, kept = tmp_path / "run", tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("precious")
    for index in range(count):
        result = state / "jobs" / "job" / "results" / f"app-{index}.1"
        (result / "inner").mkdir(parents=True)
        (result / "inner" / "file").write_text("x")
        (result / "away").symlink_to(kept)
    (state / "jobs" / "job" / "results" / "link").symlink_to(kept)
    (state / "fanfold.db").touch()
    discard(state)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert (kept / "file").read_text() == "precious"


def test_what_an_interrupted_removal_left_goes_too(tmp_path: Path) -> None:
    (tmp_path / "run.gone" / "share-0" / "1").mkdir(parents=True)
    (tmp_path / "run" / "jobs").mkdir(parents=True)
    discard(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
