"""Amazon SNS: whoever has subscribed to a topic gets it."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.alert_settings import Sns
from ingest.alerts.channel import Channel, RefusedError, UnreachableError, redacted
from ingest.alerts.wording import clipped

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_SUBJECT = 99  # ASCII characters; SNS refuses more
_MOST = 60_000  # characters; SNS refuses more than 256 KB
_LATER = ("Throttl", "RequestLimit", "TooManyRequests", "RequestTimeout", "ServiceUnavailable", "Internal")


def sns(name: str, settings: Sns, seconds: float) -> Channel:
    """A topic."""
    return Channel(name, functools.partial(_send, functools.cache(lambda: _client(settings, seconds)), settings.topic))


def _send(client: Callable[[], "SNSClient"], topic: str, title: str, text: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError  # noqa: PLC0415 - see `_client`

    subject = title.encode("ascii", "replace").decode()[:_SUBJECT]
    message = clipped(f"{title}\n{text}", _MOST)
    try:
        client().publish(TopicArn=topic, Subject=subject, Message=message)
    except ClientError as error:
        answer = error.response
        code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"]["HTTPStatusCode"]
        why = redacted(f"HTTP {status}: {code}: {answer['Error'].get('Message', '')}", ())
        is_later = status >= 500 or status == 429 or code.startswith(_LATER)  # noqa: PLR2004 - server errors, too many requests
        raise (UnreachableError(why) if is_later else RefusedError(why)) from None
    except ParamValidationError as error:
        raise RefusedError(redacted(str(error), ())) from None
    except BotoCoreError as error:
        raise UnreachableError(redacted(f"{type(error).__name__}: {error}", ())) from None


def _client(settings: Sns, seconds: float) -> "SNSClient":
    import boto3  # noqa: PLC0415 - it takes half a second to import; who has no topic never pays it
    from botocore.config import Config  # noqa: PLC0415 - see above

    return boto3.Session().client(
        "sns",
        region_name=settings.topic.split(":")[3],
        endpoint_url=settings.endpoint,
        config=Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}),  # we try again ourselves
    )
