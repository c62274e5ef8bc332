"""What a job left: its files, looked at where a browser can show them safely, and fetched."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.responses import Response, StreamingResponse

from fanfold.console.app import Page
from fanfold.console.pages.job import found, shown
from fanfold.console.visit import Visit
from fanfold.errors import NotFound
from fanfold.jobs.models import Job
from fanfold.services.results import ResultLink

READ_BYTES = 256 * 1024
MOST_ROWS = 200
MOST_COLUMNS = 50
MOST_LISTED = 1000
PICTURES = ("png", "jpg", "jpeg", "gif", "webp", "bmp", "avif")
FILMS = ("mp4", "webm", "m4v", "mov", "ogv")
TABLES = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Preview:
    """How the beginning of a file is shown: `kind` is picture, film, table, json, text or none."""

    kind: str
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    cut: bool = False


def results(visit: Visit) -> Response:
    """The files of the output; one of them looked at where the address names it."""
    job = found(visit)
    links = visit.services.results.listed(job)
    name = visit.query("file", 2000)
    chosen = next((link for link in links if link.name == name), None)
    return visit.page(
        "results.html",
        tab="results",
        links=links[:MOST_LISTED],
        count=len(links),
        address=_address,
        archive=_address(visit.services.results.archive_link(job)),
        chosen=chosen,
        preview=_preview(visit, job, chosen) if chosen else None,
        **shown(visit, job),
    )


def _address(link: str) -> str:
    """A signed link without its host: the browser may know this server by another name."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if link else ""


def chunks(visit: Visit) -> Response:
    """The results of all chunks that are done, as one zip; also of a job that failed."""
    job = found(visit)
    pieces = visit.services.results.finished(job)
    headers = {"Content-Disposition": f'attachment; filename="{job.id}-chunks.zip"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _preview(visit: Visit, job: Job, link: ResultLink) -> Preview:
    kind = link.name.rpartition(".")[2].lower()
    if kind in PICTURES:
        return Preview("picture")
    if kind in FILMS:
        return Preview("film")
    data, cut = _beginning(visit, job, link)
    if b"\0" in data:
        return Preview("none")
    text = data.decode("utf-8", "replace")
    if kind in TABLES:
        return Preview("table", rows=_rows(text, TABLES[kind]), cut=cut)
    if kind in ("json", "geojson") and not cut:
        try:
            return Preview("json", json.dumps(json.loads(text), indent=2, ensure_ascii=False)[:READ_BYTES], cut=cut)
        except (ValueError, RecursionError):
            return Preview("text", text, cut=cut)
    return Preview("text", text, cut=cut)


def _beginning(visit: Visit, job: Job, link: ResultLink) -> tuple[bytes, bool]:
    """The first bytes of a file, and whether there are more."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(link.link).query).items()}
    expires, signature = query.get("expires", ""), query.get("signature", "")
    opened = visit.services.results.open(job.id, job.merge_round, link.name, expires, signature)
    with opened.file as file:
        data = file.read(READ_BYTES)
    if data is None:
        raise NotFound("the file cannot be read now")
    return data, len(data) < opened.size_bytes


def _rows(text: str, delimiter: str) -> tuple[tuple[str, ...], ...]:

    rows: list[tuple[str, ...]] = []
    try:
        for row in csv.reader(text.splitlines(), delimiter=delimiter):
            rows.append(tuple(row[:MOST_COLUMNS]))
            if len(rows) >= MOST_ROWS:
                break
    except csv.Error:
        return tuple(rows)
    return tuple(rows)


PAGES = [Page("/jobs/{job_id}/results", results), Page("/jobs/{job_id}/results/chunks", chunks)]
