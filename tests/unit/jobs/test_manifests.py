"""Manifests: what is right is read, what is wrong is refused with every mistake named."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.errors import BadManifest
from fanfold.jobs.blocks import (
    GIB,
    BlockType,
    Device,
    Manifest,
    PlatformKind,
    merged,
    read_manifest,
    snake,
    with_requirements,
)

RIGHT = {"name": "word-count", "version": "0.1"}

FULL = {
    **RIGHT,
    "type": "assembler",
    "description": "counts words",
    "entrypoint": "tools/count.sh",
    "platform": "docker",
    "platform_config": {
        "container": "python:3.12",
        "private_image": True,
        "username": "ann",
        "secrets": ["MY_S3"],
        "requirements": ["numpy>=2"],
        "preload": ["numpy"],
    },
    "device_requirements": {"min_cpu": 2, "min_memory": 0.5, "gpu": ["NVIDIA A100-SXM4-40GB"]},
    "deterministic": True,
    "reentrant": True,
    "params_file": True,
}


def camel(value: object) -> Any:
    """The same manifest with its keys in camelCase."""
    if not isinstance(value, dict):
        return value
    return {_camel(key): camel(item) for key, item in value.items()}


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.capitalize() for word in others)


def problems(data: object) -> dict[str, str]:
    """The keys that a manifest is refused for, and why."""
    with pytest.raises(BadManifest) as refused:
        read_manifest(data)
    return {problem.field: problem.reason for problem in refused.value.problems}


def test_a_manifest_of_name_and_version_means_one_core_and_one_gib_of_this_machine() -> None:
    manifest = read_manifest(RIGHT)
    assert manifest == Manifest("word-count", "0.1")
    assert manifest.device == Device(1.0, GIB, ())
    assert (manifest.type, manifest.platform) == (BlockType.APP, PlatformKind.PROCESS)


def test_every_key_is_read() -> None:
    manifest = read_manifest(FULL)
    assert manifest == Manifest(
        *("word-count", "0.1", BlockType.ASSEMBLER, "counts words", "tools/count.sh", PlatformKind.DOCKER),
        *("python:3.12", True, "ann", ("MY_S3",), ("numpy>=2",), ("numpy",)),
        device=Device(2.0, GIB // 2, ("NVIDIA A100-SXM4-40GB",)),
        deterministic=True,
        reentrant=True,
        params_file=True,
    )


def test_keys_in_camel_case_mean_the_same() -> None:
    assert read_manifest(camel(FULL)) == read_manifest(FULL)
    assert snake("platformConfig") == snake("platform_config") == "platform_config"


def test_a_key_given_in_both_spellings_is_refused() -> None:
    assert "twice" in problems({**RIGHT, "paramsFile": True, "params_file": False})["params_file"]


def test_null_means_left_out() -> None:
    keys = ("type", "entrypoint", "platform", "platform_config", "device_requirements", "deterministic")
    assert read_manifest({**RIGHT, **dict.fromkeys(keys)}) == read_manifest(RIGHT)
    assert read_manifest({**RIGHT, "device_requirements": {"min_cpu": None}}) == read_manifest(RIGHT)


def test_every_mistake_is_named_at_once_with_what_was_found_and_expected() -> None:
    wrong = {
        "name": "a b",
        "version": 1,
        "type": "worker",
        "entrypoint": "../main.py",
        "deterministic": "yes",
        "colour": "red",
        "platform_config": {"secrets": "MY_S3", "shell": "sh"},
        "device_requirements": {"min_cpu": 0, "gpu": [1]},
    }
    found = problems(wrong)
    assert set(found) == {
        *("name", "version", "type", "entrypoint", "deterministic", "colour", "platform_config.secrets"),
        *("platform_config.shell", "device_requirements.min_cpu", "device_requirements.gpu"),
    }
    assert found["type"] == 'expected one of "app", "partitioner", "assembler", found \'worker\''
    assert found["version"] == 'expected two numbers, "major.minor", such as "0.1", found 1'
    assert "unknown key; known are" in found["colour"]


def test_what_is_missing_is_said_to_be_missing() -> None:
    assert problems({}) == {
        "name": "expected letters, digits, '-' and '_', at most 64, found nothing",
        "version": 'expected two numbers, "major.minor", such as "0.1", found nothing',
    }


@pytest.mark.parametrize("data", [None, [], "text", 5, True])
def test_a_manifest_that_is_no_object_is_refused(data: object) -> None:
    assert "expected a JSON object" in problems(data)[""]


@pytest.mark.parametrize(
    "name", ["", "../up", "/abs", "back\\slash", "nul\0", "a" * 65, "ünder", "a b", "a@1", "a\n", 5, ["a"], {"a": 1}]
)
def test_a_hostile_name_is_refused(name: object) -> None:
    assert set(problems({**RIGHT, "name": name})) == {"name"}


@pytest.mark.parametrize(
    "version", ["1", "1.0.0", "01.0", "1.00", "-1.0", "1.0\n", "v1.0", "1.x", "", "٣.١", 0.1, 10**400], ids=repr
)
def test_a_version_that_is_not_two_plain_numbers_is_refused(version: object) -> None:
    assert set(problems({**RIGHT, "version": version})) == {"version"}


@pytest.mark.parametrize(
    "entrypoint", ["../main.py", "/bin/sh", "a/../../b", "..", ".", "a\\b", "nul\0.py", ["main.py"], 5, False]
)
def test_an_entry_point_outside_the_block_is_refused(entrypoint: object) -> None:
    assert set(problems({**RIGHT, "entrypoint": entrypoint})) == {"entrypoint"}


@pytest.mark.parametrize("key", ["min_cpu", "min_memory"])
@pytest.mark.parametrize("amount", [0, -1, 1e12, float("inf"), float("nan"), 10**400, "2", True, [1], {}], ids=str)
def test_an_amount_of_nothing_or_of_everything_is_refused(key: str, amount: object) -> None:
    assert set(problems({**RIGHT, "device_requirements": {key: amount}})) == {f"device_requirements.{key}"}


@pytest.mark.parametrize(
    "image", ["--privileged", "python;reboot", "a b", "$(id)", "a\nb", "A", "-v/:/host", "a" * 256]
)
def test_an_image_name_that_a_shell_or_an_option_parser_would_like_is_refused(image: str) -> None:
    found = problems({**RIGHT, "platform": "docker", "platform_config": {"container": image}})
    assert set(found) == {"platform_config.container"}


@pytest.mark.parametrize("config", [{}, {"container": ""}, {"container": None}])
def test_a_block_in_a_container_names_its_image(config: dict[str, object]) -> None:
    found = problems({**RIGHT, "platform": "docker", "platform_config": config})
    assert set(found) == {"platform_config.container"}


@pytest.mark.parametrize("value", ["nul\0", 5, ["a"], {}])
def test_a_text_is_a_text_that_a_database_and_a_system_call_take(value: object) -> None:
    assert set(problems({**RIGHT, "description": value})) == {"description"}


def test_a_mistake_as_large_as_memory_is_told_in_a_short_sentence() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (deep, "x" * 10_000_000, list(range(1_000_000))):
        assert all(len(str(key) + reason) < 400 for key, reason in problems({**RIGHT, "type": value}).items())
    assert all(len(key) < 400 for key in problems({**RIGHT, "k" * 1_000_000: 1}))


def test_an_unknown_key_is_shown_without_what_a_terminal_would_obey() -> None:
    with pytest.raises(BadManifest) as refused:
        read_manifest({**RIGHT, "\x1b[2Jred\ud800": 1})
    str(refused.value).encode()
    assert "\x1b" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*FULL, *camel(FULL), "other"]), JSON, max_size=6))
def test_whatever_json_comes_is_read_or_refused_in_words(data: dict[str, Any]) -> None:
    with contextlib.suppress(BadManifest):
        manifest = read_manifest({**RIGHT, **data})
        assert read_manifest(json.loads(json.dumps({**RIGHT, **data}))) == manifest


def test_a_job_s_own_values_win_over_the_template_key_by_key() -> None:
    template = {"app": {"model": "small", "size": {"w": 1, "h": 2}}, "assembler": {"sort": True}, "list": [1, 2]}
    own = {"app": {"size": {"h": 3}}, "list": [9], "assembler": None}
    assert merged(template, own) == {
        "app": {"model": "small", "size": {"w": 1, "h": 3}},
        "assembler": None,
        "list": [9],
    }
    assert template["app"] == {"model": "small", "size": {"w": 1, "h": 2}}


@pytest.mark.parametrize(
    "asked",
    ["numpy", "numpy>=2,<3", "Zope.interface==5.*", "a[b,c]~=1.0", "a ; python_version < '3.13'", "a!=1.0+local"],
)
def test_a_requirement_is_a_package_with_versions(asked: str) -> None:
    assert read_manifest({**RIGHT, "platform_config": {"requirements": [asked]}}).requirements == (asked,)


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "",
            "-e .",
            "--pre",
            "-r more.txt",
            "./a",
            "/a",
            "a @ https://example.org/a.whl",
            "https://example.org/a.whl",
        ),
        *("a\n-e .", "a; x\n--pre", "git+https://example.org/a", "a --hash=sha256:0", "a" * 501, "é", "a>=1;\\"),
    ],
)
def test_a_requirement_that_names_a_place_or_an_option_is_refused(asked: str) -> None:
    found = problems({**RIGHT, "platform_config": {"requirements": [asked]}})
    assert "expected a package of an index" in found["platform_config.requirements"]


def test_a_file_of_requirements_stands_in_for_the_list_of_a_process() -> None:
    text = "# first\r\n  numpy>=2  # why\n\npandas\n"
    listed = {"requirements": ["numpy>=2", "pandas"]}
    assert with_requirements(RIGHT, text) == {**RIGHT, "platform_config": listed}
    camel_case = {**RIGHT, "platformConfig": {"preload": ["numpy"]}}
    assert with_requirements(camel_case, text)["platformConfig"] == {"preload": ["numpy"], **listed}
    own = {**RIGHT, "platform_config": {"requirements": ["scipy"]}}
    docker = {**RIGHT, "platform": "docker"}
    for unchanged in (own, docker, [], {**RIGHT, "platform_config": 5}):
        assert with_requirements(unchanged, text) == unchanged
    assert with_requirements(RIGHT, "# nothing\n") == RIGHT
