"""Every call of the API that the client makes for jobs: one function a route, what is sent and the shape it answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fanfold.client.answers import object_in, reading, text_in
from fanfold.client.downloads import Download
from fanfold.client.exchange import Answer, Call, Sink
from fanfold.client.fields import body_of
from fanfold.client.uploads import FileToSend
from fanfold.wire.base import Generic
from fanfold.wire.files import UploadAnswer
from fanfold.wire.jobs import (
    DataTestAnswer,
    EstimationAnswer,
    JobAnswer,
    JobsAnswer,
    ResultsAnswer,
    Stats,
)
from fanfold.wire.logs import LogsAnswer
from fanfold.wire.plans import PlanAnswer
from fanfold.wire.tasks import FailuresAnswer, RunningTasksAnswer, TaskAnswer, TasksAnswer

JOBS = "/v1/customer/jobs"
IDEMPOTENCY_KEY = "Idempotency-Key"
STREAM_S = 60.0
"""A stream that says nothing for so long, not even that it lives, is broken."""

TRIAL_S = 60.0
"""How long a server may try a source and a destination."""


def part(text: str) -> str:
    """A piece of a path, quoted whole."""
    return quote(text, safe="@")


def job_path(job_id: str, *rest: str) -> str:
    """The path of a job and what is below it."""
    return "/".join([JOBS, part(job_id), *(part(piece) for piece in rest)])


def keyed() -> dict[str, str]:
    """The header that makes a request have one effect however often it is sent."""
    return {IDEMPOTENCY_KEY: uuid.uuid4().hex}


def create_job(fields: Mapping[str, Any]) -> Call[JobAnswer]:
    """POST /jobs."""
    return Call("POST", JOBS, reading(JobAnswer), body=body_of(fields), headers=keyed())


def get_job(job_id: str, wait_s: float = 0.0, after: str = "") -> Call[JobAnswer]:
    """GET /jobs/{id}; with `wait_s` it is held until the job is in another state than `after`."""
    query = (("wait", f"{wait_s:g}"), ("after", after)) if wait_s else ()
    return Call("GET", job_path(job_id), reading(JobAnswer), query=query, holds_s=wait_s)


def list_jobs(limit: int, offset: int, order_by: str) -> Call[JobsAnswer]:
    """GET /jobs."""
    query = (("limit", str(limit)), ("offset", str(offset)), ("orderBy", order_by))
    return Call("GET", JOBS, reading(JobsAnswer), query=query)


def filter_jobs(wanted: Mapping[str, Any], limit: int, offset: int) -> Call[JobsAnswer]:
    """POST /jobs/filter."""
    body = body_of({**wanted, "pagination": {"limit": limit, "offset": offset}})
    return Call("POST", f"{JOBS}/filter", reading(JobsAnswer), body=body)


def change_job(job_id: str, what: str, body: Mapping[str, Any]) -> Call[JobAnswer]:
    """PATCH /jobs/{id}/datasource, /params, /jobname or /configs."""
    return Call("PATCH", job_path(job_id, what), reading(JobAnswer), body=body)


def run_job(job_id: str, config: Mapping[str, Any]) -> Call[Generic]:
    """POST /jobs/{id}/run."""
    return Call("POST", job_path(job_id, "run"), reading(Generic), body=body_of(config), headers=keyed())


def command(job_id: str, verb: str) -> Call[Generic]:
    """POST /jobs/{id}/abort, /pause or /resume: asking twice is asking once."""
    return Call("POST", job_path(job_id, verb), reading(Generic))


def limit_job(job_id: str, limits: Mapping[str, Any]) -> Call[Generic]:
    """PATCH /jobs/{id}/limits."""
    return Call("PATCH", job_path(job_id, "limits"), reading(Generic), body=body_of(limits))


def plan_job(job_id: str) -> Call[PlanAnswer]:
    """POST /jobs/{id}/plan."""
    return Call("POST", job_path(job_id, "plan"), reading(PlanAnswer))


def retry_job(job_id: str, wish: Mapping[str, Any]) -> Call[Generic]:
    """POST /jobs/{id}/retry: not repeated when nobody knows whether it arrived."""
    return Call("POST", job_path(job_id, "retry"), reading(Generic), body=body_of(wish), safe=False)


def job_failures(job_id: str) -> Call[FailuresAnswer]:
    """GET /jobs/{id}/failures."""
    return Call("GET", job_path(job_id, "failures"), reading(FailuresAnswer))


def delete_job(job_id: str) -> Call[Generic]:
    """DELETE /jobs/{id}."""
    return Call("DELETE", job_path(job_id), reading(Generic))


def job_results(job_id: str) -> Call[ResultsAnswer]:
    """GET /jobs/{id}/results."""
    return Call("GET", job_path(job_id, "results"), reading(ResultsAnswer))


def download(link: str, sink: Download) -> Call[Path]:
    """GET of a signed link into a file."""

    def finished(_answer: Answer) -> Path:
        return sink.finish()

    return Call("GET", link, finished, signed=False, sink=sink)


def chunk_results(job_id: str, sink: Sink) -> Call[None]:
    """GET /jobs/{id}/results/chunks into a file."""
    return Call("GET", job_path(job_id, "results/chunks"), lambda _answer: None, sink=sink)


def replay(job_id: str, task: str, sink: Sink) -> Call[None]:
    """GET /jobs/{id}/tasks/{task}/replay into a file."""
    return Call("GET", job_path(job_id, f"tasks/{part(task)}/replay"), lambda _answer: None, sink=sink)


def upload(link: str, file: FileToSend) -> Call[UploadAnswer]:
    """PUT of a file to a signed link."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.path.name, safe='')}"}
    return Call("PUT", link, file.stored, upload=file, signed=False, headers=headers)


def upload_completed(job_id: str) -> Call[Generic]:
    """PATCH /jobs/{id}/uploadcompleted."""
    return Call("PATCH", job_path(job_id, "uploadcompleted"), reading(Generic), body={})


def job_tasks(job_id: str, states: Sequence[str], limit: int, offset: int) -> Call[TasksAnswer]:
    """GET /jobs/{id}/tasks."""
    query = (*(("state", state) for state in states), ("limit", str(limit)), ("offset", str(offset)))
    return Call("GET", job_path(job_id, "tasks"), reading(TasksAnswer), query=query)


def job_task(job_id: str, task_id: str) -> Call[TaskAnswer]:
    """GET /jobs/{id}/tasks/{taskId}."""
    return Call("GET", job_path(job_id, "tasks", task_id), reading(TaskAnswer))


def running_tasks(job_ids: Sequence[str]) -> Call[RunningTasksAnswer]:
    """POST /jobs/runningTasks."""
    return Call("POST", f"{JOBS}/runningTasks", reading(RunningTasksAnswer), body={"jobIds": list(job_ids)})


def job_estimation(job_id: str) -> Call[EstimationAnswer]:
    """GET /jobs/{id}/estimation."""
    return Call("GET", job_path(job_id, "estimation"), reading(EstimationAnswer))


def log_text(job_id: str) -> Call[str]:
    """GET /jobs/{id}/logs/download."""
    return Call("GET", job_path(job_id, "logs", "download"), text_in)


def search_logs(wanted: Mapping[str, Any]) -> Call[LogsAnswer]:
    """POST /logs."""
    return Call("POST", "/v1/customer/logs", reading(LogsAnswer), body=body_of(wanted))


def follow_logs(job_id: str, last_id: str, wanted: Mapping[str, Any]) -> Call[Any]:
    """GET /jobs/{id}/logs/stream: the open answer."""
    names = (("taskIds", "task_ids"), ("levels", "levels"), ("services", "services"))
    query = [(name, value) for name, key in names for value in wanted.get(key, ())]
    query += [("query", wanted["query"])] if wanted.get("query") else []
    return _stream(job_path(job_id, "logs", "stream"), last_id, tuple(query))


def follow_events(last_id: str, job_id: str = "") -> Call[Any]:
    """GET /events as a stream: the open answer."""
    return _stream("/v1/customer/events", last_id, (("jobId", job_id),) if job_id else ())


def _stream(path: str, last_id: str, query: tuple[tuple[str, str], ...] = ()) -> Call[Any]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    return Call("GET", path, lambda answer: answer.opened, query, headers=headers, holds_s=STREAM_S, stays_open=True)


def try_datasource(places: Mapping[str, Any]) -> Call[DataTestAnswer]:
    """POST /datasource/test."""
    return Call("POST", "/v1/customer/datasource/test", reading(DataTestAnswer), body=dict(places), holds_s=TRIAL_S)


def stats() -> Call[Stats]:
    """GET /stats."""
    return Call("GET", "/v1/customer/stats", reading(Stats))


def info() -> Call[dict[str, Any]]:
    """GET /info: needs no token."""
    return Call("GET", "/v1/customer/info", object_in, signed=False)


def balance() -> Call[dict[str, Any]]:
    """GET /wallet/balance."""
    return Call("GET", "/v1/wallet/balance", object_in)
