"""What every data source promises: sources are listed or refused in words, outputs appear whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports import datasource
from fanfold.ports.datasource import DataSource, OutputFile, Preview, Staging, counted
from fanfold.registry import DATA_SOURCES, load


@dataclass(frozen=True)
class Place:
    """A kind of place with a source of two files, a destination that is empty, and a look at what was delivered."""

    adapter: DataSource
    source: DataRef
    names: list[str]
    destination: DataRef
    delivered: Callable[[], dict[str, bytes]]


def bypass(adapter: DataSource, folder: Path) -> Place:
    return Place(adapter, DataRef("bypass"), [], DataRef("bypass"), dict)


def local(adapter: DataSource, folder: Path) -> Place:
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "b.txt").write_bytes(b"bb")
    (folder / "in" / "deep" / "a.txt").write_bytes(b"a")
    out = folder / "out"

    def delivered() -> dict[str, bytes]:
        files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {str(path.relative_to(out)): path.read_bytes() for path in files}

    source, destination = DataRef("local", {"path": str(folder / "in")}), DataRef("local", {"path": str(out)})
    return Place(adapter, source, ["b.txt", "deep/a.txt"], destination, delivered)


PLACES: dict[str, Callable[[DataSource, Path], Place]] = {"bypass": bypass, "local": local}
"""One line a data source that needs nothing from outside this machine."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    adapter: DataSource = load(DATA_SOURCES, request.param, "dataSourceDescriptor")(Effects())
    return PLACES[request.param](adapter, tmp_path)


@pytest.fixture
def output(tmp_path: Path) -> list[OutputFile]:
    files = []
    for name, data in (("x.txt", b"xx"), ("more/y.txt", b"y")):
        made = tmp_path / "result" / name
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(data)
        files.append(OutputFile(str(made), ResultFile(name, len(data), "")))
    return files


def never() -> bool:
    return False


def test_a_right_source_and_destination_are_not_refused(place: Place) -> None:
    place.adapter.check_source(place.source, "job")
    place.adapter.check_destination(place.destination)


def test_a_preview_names_counts_and_measures_what_a_source_lists(place: Place, tmp_path: Path) -> None:
    found = place.adapter.preview(place.source)
    listed = list(place.adapter.list_source(place.source, Staging("job", tmp_path / "staged", never)))
    assert dict(found.files) == {file.name: file.size_bytes for file in listed}
    assert (found.count, found.whole) == (len(listed), True)
    assert found.size_bytes == sum(file.size_bytes for file in listed)


def test_a_preview_stops_counting_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasource, "MOST_COUNTED", 20)
    files = [(str(number), 1) for number in range(21)]
    assert counted(files[:20], never) == Preview(tuple(files[:10]), 20, 20, whole=True)
    assert counted(files, never) == Preview(tuple(files[:10]), 20, 20, whole=False)
    late = iter([False, True, True])
    assert counted(files, lambda: next(late)) == Preview(tuple(files[:1]), 1, 1, whole=False)


def test_a_source_lists_its_files_in_name_order_with_size_and_tag(place: Place, tmp_path: Path) -> None:
    staging = Staging("job", tmp_path / "staged", never)
    files = list(place.adapter.list_source(place.source, staging))
    assert [file.name for file in files] == place.names
    assert all(file.size_bytes == Path(file.location).stat().st_size and file.etag for file in files)
    assert files == list(place.adapter.list_source(place.source, staging))


def test_a_delivery_is_whole_and_can_be_repeated(place: Place, output: list[OutputFile]) -> None:
    told = place.adapter.deliver(place.destination, "job", output, never)
    first = place.delivered()
    assert place.adapter.deliver(place.destination, "job", output, never) == told
    assert place.delivered() == first
    assert told == (len(first), sum(map(len, first.values())))


def test_a_delivery_that_is_stopped_leaves_nothing(place: Place, output: list[OutputFile]) -> None:
    place.adapter.deliver(place.destination, "job", output, lambda: True)
    assert place.delivered() == {}


def test_a_delivery_can_be_taken_back_more_than_once(place: Place, output: list[OutputFile]) -> None:
    place.adapter.take_back(place.destination, "job")
    place.adapter.deliver(place.destination, "job", output, never)
    for _ in range(2):
        place.adapter.take_back(place.destination, "job")
    assert place.delivered() == {}


def test_taking_back_leaves_what_another_job_delivered(place: Place, output: list[OutputFile]) -> None:
    place.adapter.deliver(place.destination, "mine", output, never)
    kept = place.delivered()
    place.adapter.take_back(place.destination, "other")
    assert place.delivered() == kept


def test_an_output_of_nothing_is_delivered_too(place: Place) -> None:
    assert place.adapter.deliver(place.destination, "job", [], never) == (0, 0)


def test_a_data_source_of_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"known are .*bypass.*local"):
        load(DATA_SOURCES, "floppy", "dataSourceDescriptor")
