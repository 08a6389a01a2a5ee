"""Services of AWS on this machine: moto answers by HTTP as AWS does."""

import contextlib
import logging
from collections.abc import Iterator

import boto3
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_EC2_METADATA_DISABLED": "true",  # nothing of this machine's own is asked for credentials
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@contextlib.contextmanager
def aws() -> Iterator[str]:
    """Serve until the block ends; the address of every service."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def asked_of_athena(address: str, database: str) -> list[str]:
    """The statements that Athena was asked to run in a database, in their order: it says of all that they succeeded, and runs none."""
    athena = boto3.client("athena", region_name="us-east-1", endpoint_url=address)
    ids = (id_ for page in athena.get_paginator("list_query_executions").paginate() for id_ in page["QueryExecutionIds"])
    told = (athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"] for id_ in ids)
    return [one["Query"] for one in told if one["QueryExecutionContext"]["Database"] == database]
