"""`file`: a file that the job's owner uploads to the server, by the link that the job shows as `tempUrl`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fanfold.datasources.places import texts
from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, Problem
from fanfold.jobs.models import DataRef
from fanfold.ports.datasource import DataSource, OutputFile, Preview, SourceFile, Staging
from fanfold.ports.uploads import Upload, Uploads

_NAMES = ("name", "tempUrl", "temp_url")


class UploadedFile:
    """One uploaded file a job; a source only."""

    def __init__(self, effects: Effects, uploads: Uploads) -> None:
        self._uploads = uploads

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Refuse a job whose upload has not been declared complete."""
        texts(ref, "dataSource", _NAMES, "LocalFileDataSource")
        if job_id:
            self._complete(job_id)

    def preview(self, ref: DataRef) -> Preview:
        """Nothing: what is uploaded is a job's."""
        self.check_source(ref, "")
        return Preview()

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """The one file; it lies in the job's storage already."""
        upload = self._complete(staging.job_id)
        path = staging.folder / upload.location
        try:
            staging.bring(path)
            info = path.stat()
        except FileNotFoundError as err:
            raise BadInput("the uploaded file was removed; make a new job and upload it again") from err
        yield SourceFile(upload.name, str(path), info.st_size, etag_of(info))

    def _complete(self, job_id: str) -> Upload:
        upload = self._uploads.find(job_id)
        if upload is None:
            reason = "nothing was uploaded; PUT the file to dataSource.params.tempUrl, then call uploadcompleted"
        elif upload.completed_at is None:
            reason = f"the upload of '{upload.name}' is not declared complete; call uploadcompleted"
        else:
            return upload
        raise BadInput("the input cannot be used", [Problem("dataSource", reason)])

    def check_destination(self, ref: DataRef) -> None:
        """Never: `bucket` is where a server keeps an output."""
        reason = "'file' is a source only; use 'bucket' to fetch the output from this server"
        raise BadInput("the destination cannot be used", [Problem("dataDestination", reason)])

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Never."""
        self.check_destination(ref)
        return 0, 0

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """There is nothing to take back."""


_fits: type[DataSource] = UploadedFile
