"""SNS as moto answers by HTTP, and as a server says that is not well."""

import boto3
import pytest

from ingest.alert_settings import AlertSettings, Sns
from ingest.alerts.channel import RefusedError, UnreachableError
from ingest.alerts.channels import channels
from tests.support.aws import ACCOUNT, ENVIRONMENT, aws
from tests.support.receivers import Answer, no_proxy, receiver  # noqa: F401 - one is a fixture

TITLE = "[ticklake laptop] critical: stall a & b"
TEXT = "CRITICAL stall a & b: x (since 2024-11-07 17:20:03 UTC)\nü…"


def channel(settings):
    (found,) = channels(AlertSettings(channels=(settings,)))
    return found


@pytest.fixture(scope="module")
def cloud():
    with aws() as found:
        yield found


@pytest.fixture
def topic(cloud, monkeypatch):
    """A topic, a way to look into its queue, and its address."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.Session().client("sns", region_name="eu-west-1", endpoint_url=cloud)
    return client.create_topic(Name="ticks")["TopicArn"]


def published(topic):
    from moto.sns import sns_backends  # noqa: PLC0415 - a second to import

    return [(text, subject) for _, text, subject, _, _ in sns_backends[ACCOUNT]["eu-west-1"].topics[topic].sent_notifications]


def test_a_topic_gets_title_and_text_and_a_subject_that_sns_takes(cloud, topic):
    there = channel(Sns("sns", topic, cloud))
    there.send(TITLE, TEXT)
    there.send("ü" * 150, "x" * 70_000)
    assert published(topic) == [
        (f"{TITLE}\n{TEXT}", TITLE),
        ("ü" * 150 + "\n" + "x" * 59_849 + "… (10151 characters more)", "?" * 99),
    ]


def test_a_topic_that_is_not_there_refuses(cloud, topic):
    with pytest.raises(RefusedError, match=r"^HTTP 404: NotFound: "):
        channel(Sns("sns", f"{topic}-not", cloud)).send("title", "text")


def test_an_sns_that_is_not_there_is_unreachable(topic):
    with receiver() as gone:
        pass
    with pytest.raises(UnreachableError, match=r"^EndpointConnectionError: "):
        channel(Sns("sns", topic, gone.address)).send("title", "text")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "Throttling", UnreachableError),
        (429, "Whatever", UnreachableError),
        (400, "InternalFailure", UnreachableError),
        (500, "Whatever", UnreachableError),
        (503, "ServiceUnavailable", UnreachableError),
        (403, "AuthorizationError", RefusedError),
        (400, "InvalidParameter", RefusedError),
    ],
)
def test_what_sns_means(topic, status, code, error):
    said = f"<ErrorResponse><Error><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
    with receiver(Answer(status, said, {"Content-Type": "text/xml"})) as there, pytest.raises(error) as caught:
        channel(Sns("sns", topic, there.address)).send("title", "text")
    assert str(caught.value) == f"HTTP {status}: {code}: why"
    assert len(there.received) == 1


def test_without_credentials_a_topic_is_unreachable(cloud, topic, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(UnreachableError, match=r"^NoCredentialsError: "):
        channel(Sns("sns", topic, cloud)).send("title", "text")
