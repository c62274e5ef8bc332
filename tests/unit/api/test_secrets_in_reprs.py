"""What holds a secret does not show it where it is printed: in a debugger, a traceback, a log line."""

import pytest

from fanfold.client import secret_calls
from fanfold.jobs.models import AttemptKey, DataRef, Role, TaskKey
from fanfold.jobs.secrets import Masker
from fanfold.ports.executor import RunOrder
from fanfold.wire.auth import AccessTokenRequest
from fanfold.wire.jobs import DataSourceDataSource, JobRequest
from fanfold.wire.secrets import SecretRequest

VALUE = "wJalrXUtnFEMI"
PLACE = {"dataSourceDescriptor": "aws", "params": {"secretKey": VALUE}}
ATTEMPT = AttemptKey(TaskKey("job", Role.APP, 0), 1)


@pytest.mark.parametrize(
    "holder",
    [
        SecretRequest.model_validate({"secret": {"id": "a"}, "secretKey": VALUE}),
        AccessTokenRequest.model_validate({"apiKey": VALUE}),
        DataSourceDataSource.model_validate(PLACE),
        JobRequest.model_validate({"dataSource": PLACE}),
        DataRef("aws", {"secretKey": VALUE}),
        RunOrder(ATTEMPT, 1, "folder", "scratch", "package", "main.py", secrets={"KEY": VALUE}),
        secret_calls.put_secret({"id": "a"}, VALUE),
        Masker([VALUE]),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_a_holder_of_a_secret_does_not_show_it(holder: object) -> None:
    assert VALUE not in f"{holder!r} {holder!s}"
