"""What is wrong before anything runs: one line that names the thing and the mend, exit code 2, nothing left behind."""

import json
import os

import pytest

from tests.acceptance.command import COPY, Desk, Ended


def refused(desk: Desk, ended: Ended) -> str:
    """Its error, when nothing was run and nothing written."""
    assert ended.code == 2
    assert ended.out == ""
    assert desk.keeps_nothing()
    assert not (desk.path / "out").exists()
    return ended.error


@pytest.fixture(autouse=True)
def copier(desk: Desk) -> None:
    desk.write("copy.py", COPY)


def test_a_missing_file_is_named(desk: Desk) -> None:
    error = refused(desk, desk.run("novel.txt", "--app", "copy.py"))
    assert "novel.txt' does not exist; check the spelling" in error


def test_all_missing_files_are_named_at_once(desk: Desk) -> None:
    error = refused(desk, desk.run("one.txt", "input.txt", "two.txt", "--app", "copy.py"))
    assert "one.txt'" in error
    assert "two.txt'" in error
    assert "input.txt" not in error


def test_an_empty_directory_is_named(desk: Desk) -> None:
    (desk.path / "photos").mkdir()
    error = refused(desk, desk.run("photos", "--app", "copy.py"))
    assert "photos' has no files; put your input files into it" in error


def test_an_app_that_is_not_there_is_named(desk: Desk) -> None:
    error = refused(desk, desk.run("input.txt", "--app", "./copi.py"))
    assert "there is no block folder or script 'copi.py'" in error


def test_a_run_without_an_app_says_how_to_name_one(desk: Desk) -> None:
    assert "--app with a folder, a script or a tag" in refused(desk, desk.run("input.txt"))


def test_three_mistakes_in_a_manifest_are_all_named(desk: Desk) -> None:
    desk.block("broken", COPY, version="one", platform="vm", device_requirements={"min_cpu": -1})
    error = refused(desk, desk.run("input.txt", "--app", "./broken"))
    for key, found in (("version", "'one'"), ("platform", "'vm'"), ("device_requirements.min_cpu", "-1")):
        assert f"{key}: expected" in error
        assert f"found {found}" in error


def test_params_that_break_the_schema_are_all_named(desk: Desk) -> None:
    app = desk.block("copier", COPY)
    schema = {"type": "object", "properties": {"case": {"enum": ["up"]}, "least": {"type": "integer", "minimum": 1}}}
    desk.write("copier/schema.json", json.dumps(schema))
    error = refused(desk, desk.run("input.txt", "--app", app, "-p", "app.case=down", "-p", "app.least=0"))
    assert 'params.app.case: "down" is not' in error
    assert "params.app.least: 0 is less than the minimum of 1" in error


def test_a_built_in_block_s_params_are_checked(desk: Desk) -> None:
    ended = desk.run("input.txt", "--app", "copy.py", "--partitioner", "split-lines", "-p", "partitioner.lines=0")
    assert "params.partitioner.lines: 0 is less than the minimum of 1" in refused(desk, ended)


def test_a_param_without_its_role_is_named_with_the_form_it_should_have(desk: Desk) -> None:
    error = refused(desk, desk.run("input.txt", "--app", "copy.py", "-p", "lines=10"))
    assert "-p lines=10: expected ROLE.KEY=VALUE" in error


def test_an_unknown_partitioner_is_answered_with_those_there_are(desk: Desk) -> None:
    error = refused(desk, desk.run("input.txt", "--app", "copy.py", "--partitioner", "split-words"))
    assert "there is no partitioner 'split-words'" in error
    assert "split-lines" in error


def test_an_output_folder_that_is_not_empty_needs_force(desk: Desk) -> None:
    desk.write("out/mine.txt", "mine")
    ended = desk.run("input.txt", "--app", "copy.py")
    assert ended.code == 2
    assert "'out' is not empty" in ended.error
    assert "--force" in ended.error
    assert desk.output() == {"mine.txt": b"mine"}
    assert desk.run("input.txt", "--app", "copy.py", "--force").code == 0
    assert desk.output()["mine.txt"] == b"mine"
    assert "copy.txt" in desk.output()


def test_an_output_that_is_a_file_is_named(desk: Desk) -> None:
    desk.write("result", "mine")
    ended = desk.run("input.txt", "--app", "copy.py", "-o", "result")
    assert ended.code == 2
    assert "'result' is a file; name a folder" in ended.error


def test_an_output_below_a_file_is_named(desk: Desk) -> None:
    ended = desk.run("input.txt", "--app", "copy.py", "-o", "input.txt/out")
    assert ended.code == 2
    assert "input.txt' is not a folder" in ended.error
    assert desk.keeps_nothing()


def test_an_output_folder_that_cannot_be_written_is_named(desk: Desk) -> None:
    """Even the superuser may not make folders in /proc."""
    place = "/proc" if os.geteuid() == 0 else "/"
    ended = desk.run("input.txt", "--app", "copy.py", "-o", f"{place}/fanfold-output")
    assert ended.code == 2
    assert f"'{place}' cannot be written" in ended.error
    assert "choose another folder" in ended.error
    assert desk.keeps_nothing()


def test_a_state_folder_that_cannot_be_made_is_named(desk: Desk) -> None:
    desk.write("state", "a file")
    ended = desk.run("input.txt", "--app", "copy.py")
    assert ended.code == 3
    assert "set XDG_STATE_HOME to another folder" in ended.error


def test_resume_and_force_together_are_refused(desk: Desk) -> None:
    assert "give one of them" in refused(desk, desk.run("input.txt", "--app", "copy.py", "--resume", "--force"))


def test_an_image_that_is_no_python_is_refused(desk: Desk) -> None:
    desk.environment["FANFOLD_CONTAINERS"] = "off"
    app = desk.block("boxed", COPY, platform="docker", platform_config={"container": "alpine:3"})
    assert "needs the image 'alpine:3'" in refused(desk, desk.run("input.txt", "--app", app))


def test_json_tells_a_refusal_too(desk: Desk) -> None:
    ended = desk.run("novel.txt", "--app", "copy.py", "--json")
    assert ended.code == 2
    assert json.loads(ended.out)["error"]["code"] == "bad_params"
    assert "novel.txt" in json.loads(ended.out)["error"]["message"]
