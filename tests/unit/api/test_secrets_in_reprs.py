"""What holds a secret does not show it where it is printed: in a debugger, a traceback, a log line."""

import pytest

from fanfold.client import secret_calls
from fanfold.client.exchange import Send, Session
from fanfold.datasources.s3_params import Place
from fanfold.jobs.models import AttemptKey, DataRef, Role, TaskKey
from fanfold.jobs.secrets import Credential, Masker, SecretType
from fanfold.net.tunnel import Door
from fanfold.ports.executor import RunOrder
from fanfold.ports.secrets import Sealed
from fanfold.services.server_keys import ServerKeys
from fanfold.settings import Settings
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
        Credential("id", SecretType.AWS, "AK", VALUE),
        Place("dataSource", "https://s3.example.org", "bucket", "auto", "name", "AK", VALUE),
        Door(f"http://fanfold:{VALUE}@127.0.0.1:1"),
        Settings(master_key=VALUE),
        Send("POST", "https://h", {"Authorization": VALUE}, (), VALUE.encode(), {"p": ("n", VALUE.encode(), "")}),
        Session("https://example.org", VALUE, token=VALUE),
        ServerKeys(VALUE.encode(), VALUE.encode()),
        Sealed("name", VALUE.encode(), VALUE.encode()),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_a_holder_of_a_secret_does_not_show_it(holder: object) -> None:
    assert VALUE not in f"{holder!r} {holder!s}"
