"""S4: no value of a secret in any answer, log line, event, argument list, or file outside the sealed column: not plain,
not in base64, URL-encoded, in hex, or escaped for JSON."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compat.description import operations
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Door, Server, json_of
from tests.lying_server import LyingServer, lying_server

CANARIES = 21
AUTH = "/v1/auth/secrets"

CHATTY = """#!/usr/bin/env python3
import base64, json, os, sys, time, urllib.parse
for name in sorted(os.environ):
    if not name.startswith("CANARY_"):
        continue
    value = os.environ[name]
    print("plain", value)
    print("json", json.dumps({"value": value}))
    print("base64", base64.b64encode(value.encode()).decode())
    print("basic", base64.b64encode(b"user:" + value.encode()).decode())
    print("hex", value.encode().hex(), value.encode().hex().upper())
    print("url", urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value))
    sys.stdout.write("x" * 65_530 + value + "\\n")
time.sleep(0.3)
with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "ok.txt"), "w") as file:
    file.write("done")
if "fail" in os.environ["APP_PARAMS"]:
    sys.exit("could not sign in with " + os.environ["CANARY_1"])
"""


def spellings(value: str) -> dict[str, bytes]:
    """Written anew here, so that the test does not ask the code under test how values look."""
    data = value.encode()
    found = {
        "plain": value,
        "json": json.dumps(value)[1:-1],
        "url": quote(value, safe=""),
        "form": quote_plus(value),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
    }
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")[2 if shift else 0 : -1]
        found |= {f"base64+{shift}": text[2:], f"base64url+{shift}": text[2:].replace("+", "-").replace("/", "_")}
    return {name: text.encode() for name, text in found.items()}


def found_in(where: dict[str, bytes], values: list[str]) -> list[str]:
    """Every place that holds a value, in whatever spelling."""
    looked_for = [(value, name, text) for value in values for name, text in spellings(value).items()]
    return [
        f"{place} holds {value} ({name})"
        for place, data in where.items()
        for value, name, text in looked_for
        if text in data
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def canary(number: int) -> str:
    """A value with letters that encodings treat each in its own way."""
    return f"canary{number:02}/+&=\"'\\ é{secrets.token_hex(8)}"


class Loud(Server):
    """A server that logs everything."""

    def command(self) -> list[str]:
        return [*super().command(), "--verbose"]


@pytest.fixture
def loud(tmp_path: Path) -> Iterator[Loud]:
    made = Loud(tmp_path / "server", slots=2, requests_per_s=100_000, allow_private_urls="on")
    made.start()
    yield made
    made.stop()


class Arguments:
    """Every argument list of a server and all its descendants, looked at all the time."""

    def __init__(self, pid: int) -> None:
        self.seen: set[str] = set()
        self._server = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for process in (self._server, *self._server.children(recursive=True)):
                try:
                    self.seen.add("\0".join(process.cmdline()))
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue


def every_answer(door: Door, job_ids: list[str]) -> dict[str, bytes]:
    """What every GET route of the description says, about each of the jobs where it asks for one."""
    found = {}
    for operation in operations():
        if operation.method != "GET" or "stream" in operation.path or operation.path == "/v1/customer/events":
            continue
        for job_id in job_ids if "{job_id}" in operation.path else [""]:
            path = operation.path.replace("{job_id}", job_id).replace("{task_id}", f"{job_id}-0")
            path = path.replace("{tag}", "chatty").replace("{template_id}", "chatty").replace("{path}", "")
            found[path] = door.get(path).content
    events: Any = json_of(door.get("/v1/customer/events", params={"limit": 1000}))
    assert 20 < len(events["data"]) < 1000
    found["events"] = json.dumps(events, ensure_ascii=False).encode()
    return found


def put(door: Door, secret_id: str, value: str, **fields: Any) -> bytes:
    secret = {"id": secret_id, "secretType": "other", **fields}
    return door.post(AUTH, json={"secret": secret, "secretKey": value}).content


def s3(value: str) -> dict[str, Any]:
    return {
        "dataSourceDescriptor": "s3-compatible",
        "params": {"bucketName": "b", "accessKey": "AK", "secretKey": value},
    }


def refusals(door: Door, values: list[str]) -> list[bytes]:
    """Requests that bring a value and are wrong in some way."""
    bodies: list[tuple[str, Any]] = [
        (AUTH, {"secret": values[0], "secretKey": [values[0]]}),
        (AUTH, {"secret": {"id": "a b", "secretType": values[1]}, "secretKey": values[1] * 500}),
        ("/v1/customer/jobs", {"dataSource": values[2]}),
        ("/v1/customer/jobs", {"dataSource": {"dataSourceDescriptor": "local", "params": {"password": values[3]}}}),
        (
            "/v1/customer/jobs",
            {"dataSource": {"dataSourceDescriptor": "url", "params": {"url": f"http://u:{values[4]}@h/"}}},
        ),
        ("/v1/customer/datasource/test", {"dataSource": s3(values[5])}),
    ]
    answers = [door.post(path, json=body) for path, body in bodies]
    assert [answer.status_code for answer in answers] == [400] * len(bodies), [answer.text for answer in answers]
    return [answer.content for answer in answers]


def test_no_canary_is_anywhere_after_a_full_run(loud: Loud) -> None:
    values = [canary(number) for number in range(CANARIES)]
    said: list[bytes] = []
    with loud.door() as door, lying_server() as web, Arguments(loud.pid) as arguments:
        said += [put(door, f"canary-{number}", values[number]) for number in range(6)]
        said.append(put(door, "canary-6", values[6], secretType="aws", accessKey="AKIA"))
        said.append(put(door, "canary-0", values[7]))  # a new value: the old one is as secret
        listed = {"secrets": [f"canary-{number}" for number in range(7)]}
        tag = push(door, "chatty", CHATTY, platform_config=listed)

        push(door, "private", platform_config={"private_image": True, "username": "bob", "token": values[20]})
        right = web.gives("/input.txt", b"a line\n")
        source = {"dataSourceDescriptor": "url", "params": {"url": right, "username": "ann", "password": values[8]}}
        jobs = [draft(door, tag, dataSource=source)["id"]]
        jobs.append(
            draft(door, tag, dataSource=source, params={"app": {"how": "fail"}}, config={"maxAttempts": 1})["id"]
        )
        for job_id, state in zip(jobs, ("COMPLETE", "FAILED"), strict=True):
            run(door, job_id)
            said.append(json.dumps(ended(door, job_id, f"JOB_STATE_{state}")).encode())

        drafted = draft(door, tag, dataSource=s3(values[9]), dataDestination=s3(values[10]))["id"]
        jobs.append(drafted)
        path = f"/v1/customer/jobs/{drafted}"
        said.append(door.patch(f"{path}/datasource", json={"dataSource": s3(values[11])}).content)
        said.append(door.post(f"{path}/run", json={}).content)
        said.append(door.post("/v1/customer/jobs", json={"jobId": drafted, "dataSource": s3(values[12])}).content)
        said += refusals(door, values[13:19])
        said.append(door.post("/v1/dev/templates", json={"id": "t", "app": "x", "dataSource": s3(values[19])}).content)

        json_of(door.post(f"{AUTH}/rotate"))
        json_of(door.delete(f"{AUTH}/other/canary-5"))
        where = every_answer(door, jobs) | {f"answer {number}": data for number, data in enumerate(said)}
    where |= files_below(loud.folder)
    where["argument lists"] = "\n".join(arguments.seen).encode()
    assert any(place.endswith("fanfold.db") for place in where)
    assert sum(data.count(b"***") for place, data in where.items() if place.endswith(".jsonl")) >= 2 * 6 * 8
    assert any("main.sh" in line for line in arguments.seen)
    assert found_in(where, values) == []
    loud.stop()
    assert found_in(files_below(loud.folder), values) == []


odd = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=4, max_size=60).map("zq{}qz".format)
short = st.text(st.characters(min_codepoint=0x12000, max_codepoint=0x12399), min_size=2, max_size=5)
"""Letters that nothing else here has, since so few of others stand in files by chance."""
lines = st.lists(odd, min_size=2, max_size=4).map("\n".join)
coded = odd.flatmap(
    lambda text: st.sampled_from(
        [quote(text, safe=""), base64.b64encode(text.encode()).decode(), text.encode().hex(), json.dumps(text)]
    )
)
secret_values = st.one_of(odd, short, lines, coded)


def with_lines(value: str) -> list[str]:
    """A value, and each of its lines, which may stand alone."""
    return [value, *(value.splitlines() if "\n" in value else ())]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loud, Door]]:
    server = Loud(
        tmp_path_factory.mktemp("loud"), slots=1, requests_per_s=100_000, isolation="off", allow_private_urls="on"
    )
    server.start()
    with server.door() as door:
        yield server, door
    server.stop()


@pytest.fixture(scope="module")
def web() -> Iterator[LyingServer]:
    """Answers those who send a password with 401, with a redirect, with nonsense, and stores with a refusal."""
    with lying_server() as made:
        made.says("/401", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        made.sends_to("/away", "http://192.0.2.1.invalid/")
        made.says("/nonsense", b"nonsense\r\n\r\n")
        yield made


def web_place(web: LyingServer, path: str, value: str) -> dict[str, Any]:
    return {
        "dataSourceDescriptor": "url",
        "params": {"url": web.url(path), "username": "ann", "password": value},
    }


def tried(door: Door, web: LyingServer, value: str) -> list[bytes]:
    """Places that are tried for real, with a value that is really sent, and fail."""
    store = {"bucketName": "b" * 3, "name": "x", "accessKey": "AK", "secretKey": value, "endpointUrl": web.url("")}
    places = [web_place(web, path, value) for path in ("/401", "/away", "/nonsense")]
    places.append({"dataSourceDescriptor": "s3-compatible", "params": store})
    answers = [door.post("/v1/customer/datasource/test", json={"dataSource": place}) for place in places]
    in_url = f"http://ann:{quote(value, safe='')}@127.0.0.1/"
    for url in (in_url, in_url.replace("http", "ftp")):
        place = {"dataSourceDescriptor": "url", "params": {"url": url}}
        answers += [door.post(path, json={"dataSource": place}) for path in ("/v1/customer/datasource/test", JOBS)]
    assert [answer.status_code for answer in answers] == [400] * len(answers), [answer.text for answer in answers]
    return [answer.content for answer in answers]


JOBS = "/v1/customer/jobs"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=secret_values)
def test_no_value_appears_in_any_answer_log_line_event_or_file(
    shared: tuple[Loud, Door], web: LyingServer, value: str
) -> None:
    server, door = shared
    said = [put(door, "key", value), door.get(AUTH).content]
    place = web_place(web, "/401", value)
    for source in (s3(value), place):
        job = door.post(JOBS, json={"dataSource": source, "dataDestination": s3(value)})
        path = f"{JOBS}/{job.json()['job']['id']}"
        said += [
            job.content,
            door.get(path).content,
            door.patch(f"{path}/datasource", json={"dataSource": source}).content,
            door.post(f"{path}/run", json={}).content,
            door.delete(path).content,
        ]
    said += [*refusals(door, [value] * 6), *tried(door, web, value)]
    said += [door.get("/v1/auth/audit").content, door.get("/v1/customer/events", params={"limit": 1000}).content]
    where = {f"answer {number}": data for number, data in enumerate(said)} | files_below(server.folder)
    assert found_in(where, with_lines(value)) == []
