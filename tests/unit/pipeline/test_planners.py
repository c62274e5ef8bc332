"""Files that splitters look into: those that are gone by then are told as such."""

from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.ports.datasource import SourceFile
from fanfold.wiring import local_sources


def test_a_file_that_is_gone_is_told_to_who_gave_it(tmp_path: Path) -> None:
    opened = BuiltinPlanners(local_sources(Effects())).reader(DataRef("local", {"path": str(tmp_path)}))
    with pytest.raises(BadInput, match="gone' is gone"):
        opened(SourceFile("gone", str(tmp_path / "gone"), 1, "tag"))
