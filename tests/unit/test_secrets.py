"""A secret is found where its reference says, or refused by the key that needs it; it is never shown."""

import secrets as standard

import boto3
import pytest

from ingest.secrets import secret
from ingest.settings import SettingsError
from ingest.values import Reference
from tests.support.aws import ENVIRONMENT, aws

KEY = "alerts.channels[0].url"


@pytest.fixture(scope="module")
def address():
    with aws() as found:
        yield found


@pytest.fixture
def manager(address, monkeypatch):
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_SECRETS_MANAGER": address}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return boto3.Session().client("secretsmanager", region_name="eu-west-1")


def refusal(reference, **given):
    with pytest.raises(SettingsError) as caught:
        secret(Reference(reference), KEY, **given)
    return str(caught.value)


def test_a_secret_of_the_environment():
    assert secret(Reference("env:HOOK"), KEY, environment={"HOOK": "https://example.com/T0\n"}) == "https://example.com/T0"


@pytest.mark.parametrize("environment", [{}, {"HOOK": ""}])
def test_a_variable_that_is_not_set_is_refused_by_the_key_and_its_name(environment):
    shown = refusal("env:HOOK", environment=environment)
    assert shown == "alerts.channels[0].url is 'env:HOOK': the environment variable HOOK is not set"


def test_a_secret_of_the_secrets_manager_by_its_name(manager, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    manager.create_secret(Name="ticklake/by-name", SecretString="123:abc\n")
    assert secret(Reference("secretsmanager:ticklake/by-name"), KEY) == "123:abc"


def test_an_arn_says_its_region_itself(manager):
    arn = manager.create_secret(Name="ticklake/by-arn", SecretString="456:def")["ARN"]
    assert arn.startswith("arn:aws:secretsmanager:eu-west-1:123456789012:secret:ticklake/by-arn-")
    assert secret(Reference(f"secretsmanager:{arn}"), KEY) == "456:def"


def test_a_secret_that_is_not_there_is_refused_by_the_key(manager, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert manager.meta.region_name == "eu-west-1"
    shown = refusal("secretsmanager:ticklake/nowhere")
    assert shown.startswith("alerts.channels[0].url is 'secretsmanager:ticklake/nowhere': AWS Secrets Manager did not give it: ")
    assert "ResourceNotFoundException" in shown


def test_a_region_that_nobody_says_is_refused_by_the_key(manager):
    assert manager.meta.region_name == "eu-west-1"
    shown = refusal("secretsmanager:ticklake/nowhere")
    assert shown.endswith("did not give it: NoRegionError: You must specify a region.")


def test_a_secret_without_text_is_refused(manager):
    arn = manager.create_secret(Name="ticklake/binary", SecretBinary=b"\x00")["ARN"]
    assert refusal(f"secretsmanager:{arn}").endswith("AWS Secrets Manager has no text there")


def test_the_standard_module_of_the_same_name_is_still_there():
    assert len(standard.token_hex(4)) == 8
