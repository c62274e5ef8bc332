"""The Python client, in both colours, against a real server."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

import fanfold
from fanfold.client.errors import JobFailed, NotFound
from tests.compat.scene import FAIL, People, fresh, push

BUCKET = {"dataSourceDescriptor": "bucket"}
LINES = b"".join(b"line %d\n" % number for number in range(40))
SPLIT = {"partitioner": "split-lines", "assembler": "concat", "params": {"partitioner": {"lines": 10}}}


@pytest.fixture
def client(people: People) -> Any:
    with fanfold.Client(people.server.url, people.server.key) as made:
        yield made


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(LINES)
    return path


def test_a_job_is_made_uploaded_run_waited_for_and_fetched(client: Any, people: People, text: Path) -> None:
    app = push(people.root, fresh("copy"))
    looks: list[str] = []
    job = client.jobs.create(app=app, name="from python", data_destination=BUCKET, **SPLIT)
    job.upload(text).run({"maxAttempts": 2}).wait(progress=lambda info: looks.append(info.state))
    assert (job.state, job.info.num_chunks, job.info.actual_config["maxAttempts"]) == ("JOB_STATE_COMPLETE", 4, 2)
    assert looks[-1] == "JOB_STATE_COMPLETE"
    [file, record] = job.results.download(text.parent / "out")
    assert record.name == "provenance.json"
    assert file.read_bytes() == LINES
    assert [task.chunk_index for task in job.all_tasks()] == [0, 1, 2, 3]
    assert "INFO: chunk 3" in job.log_text()
    assert client.jobs.get(job.id).info.name == "from python"
    assert job.id in [found.id for found in client.jobs.all(name="from python")]
    job.delete()
    with pytest.raises(NotFound, match=job.id):
        client.jobs.get(job.id)


def test_the_async_client_does_the_same(people: People, text: Path) -> None:
    app = push(people.root, fresh("copy"))

    async def story() -> bytes:
        async with fanfold.AsyncClient(people.server.url, people.server.key) as client:
            job = await client.jobs.create(app=app, data_destination=BUCKET, **SPLIT)
            await (await (await job.upload(text)).run()).wait()
            jobs = [client.jobs.create(app=app, name=f"draft {number}") for number in range(5)]
            assert len({made.id for made in await asyncio.gather(*jobs)}) == 5
            [file, _record] = await job.results.download(text.parent / "out")
            return file.read_bytes()

    assert asyncio.run(story()) == LINES


def test_waiting_asks_seldom(client: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = push(people.root, fresh("slow"), '#!/bin/sh\nsleep 1\necho x > "$TASK_RESULTS_DIR/x"\n')
    job = client.jobs.create(app=slow, data_destination=BUCKET).run()
    asked: Counter[str] = Counter()
    sent = httpx.Client.send

    def counted(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        asked[request.method] += 1
        return sent(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", counted)
    job.wait()
    assert asked["GET"] <= 12  # one for each state that it passed, and for what it missed


def test_a_job_that_fails_is_an_error_with_its_reason(client: Any, people: People) -> None:
    bad = push(people.root, fresh("bad"), FAIL)
    job = client.jobs.create(app=bad, config={"maxAttempts": 1}).run()
    with pytest.raises(JobFailed, match="ERROR: this one never works"):
        job.wait()
    [group] = job.failures()
    assert (group.count, group.reason) == (1, "exit_code")
    assert job.retry().wait(check=False).info.round == 2


def test_mapping_gives_the_same_on_a_server_and_here(
    people: People, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"partitioner": "split-lines", "assembler": "sum-json", "output": text.parent / "there"}
    with fanfold.Client(people.server.url, people.server.key) as client:
        [there] = fanfold.map("word-count", text, **wish, client=client)
    for name in ("FANFOLD_URL", "FANFOLD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(text.parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(text.parent / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(text.parent / "state"))
    [here] = fanfold.map("examples/word-count", text, **wish | {"output": text.parent / "here"})
    assert json.loads(there.read_text())["line"] == 40
    assert there.read_bytes() == here.read_bytes()
