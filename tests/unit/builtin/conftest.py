"""Windows of a few bytes, so that small examples cross as many borders as large files do."""

from collections.abc import Iterator

import pytest

from fanfold.builtin import cutting, lines, sources


@pytest.fixture(scope="module", params=[5, 64 * 1024], ids=["tiny-windows", "usual-windows"])
def windows(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "WINDOW_BYTES", request.param)
        patch.setattr(cutting, "STEP_BYTES", min(request.param, 16 * 1024))
        patch.setattr(lines, "FIRST_READ_BYTES", request.param)
        yield
