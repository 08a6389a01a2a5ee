"""Secrets, looked up where a reference of the configuration says they are. No error and no log shows one."""

import os
from collections.abc import Callable, Mapping

from ingest.values import Reference, refuse

Fetch = Callable[[str], str]
_ARN_PARTS = 7  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME


def secret(reference: Reference, where: str, environment: Mapping[str, str] = os.environ, fetch: Fetch | None = None) -> str:
    """The secret of the key `where`; refused by that key where the reference leads nowhere."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not environment.get(name):
            refuse(where, str(reference), f"the environment variable {name} is not set")
        return environment[name].strip()
    try:
        found = (fetch or secrets_manager)(name)
    except Exception as error:  # noqa: BLE001 - credentials, networks and permissions fail in many ways; each is a wrong configuration
        refuse(where, str(reference), f"AWS Secrets Manager did not give it: {type(error).__name__}: {error}")
    if not found.strip():
        refuse(where, str(reference), "AWS Secrets Manager has no text there")
    return found.strip()


def secrets_manager(name: str) -> str:
    """The text of a secret in AWS Secrets Manager, by its name or its ARN."""
    import boto3  # noqa: PLC0415 - it takes half a second to import; who has no secret there never pays it
    from botocore.config import Config  # noqa: PLC0415 - see above

    region = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= _ARN_PARTS - 1 else None
    patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
    client = boto3.Session().client("secretsmanager", region_name=region, config=patience)
    return client.get_secret_value(SecretId=name).get("SecretString", "")
