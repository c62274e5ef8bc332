"""An S3 server on loopback, in a process of its own: moto, a stand-in for a real store."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import obstore
from obstore.store import S3Store

from tests.certificates import Certificates

KEYS = ("AKIATESTKEY", "test/secret+key")
START_S = 25.0


@dataclass(frozen=True)
class S3Server:
    """Where it is; every test takes a bucket of its own."""

    url: str

    def bucket(self, name: str) -> S3Store:
        """A new bucket, by a way that is not the one under test."""
        store = S3Store(
            name,
            endpoint=self.url,
            region="us-east-1",
            access_key_id=KEYS[0],
            secret_access_key=KEYS[1],
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "allow_invalid_certificates": True},
        )
        assert httpx.put(f"{self.url}/{name}", verify=False).status_code == 200
        return store

    def params(self, bucket: str, **more: Any) -> dict[str, Any]:
        """The params of a place in a bucket."""
        return {"bucketName": bucket, "endpointUrl": self.url, "accessKey": KEYS[0], "secretKey": KEYS[1], **more}


def content(store: S3Store, prefix: str = "") -> dict[str, bytes]:
    """Every object of a bucket, or of a folder in it."""
    found: dict[str, bytes] = {}
    for page in obstore.list(store, prefix or None):
        found |= {meta["path"]: bytes(obstore.get(store, meta["path"]).bytes()) for meta in page}
    return found


@contextmanager
def s3_server(folder: Path, shown: Certificates | None = None) -> Iterator[S3Server]:
    """Start it on a free port, encrypted where it has a certificate to show; gone with the block."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    command += ["-s", "-c", str(shown.certificate), "-k", str(shown.key)] if shown else []
    with (folder / "moto.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_it_listens(process, port)
            yield S3Server(f"{'https' if shown else 'http'}://127.0.0.1:{port}")
        finally:
            process.kill()


def _until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        assert process.poll() is None, "the S3 server ended"
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the S3 server does not listen")
