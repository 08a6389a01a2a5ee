"""The section `alerts`: who is told, how, and how often. What a person may have put a secret into is not shown."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from ingest.values import Reference

Rule = tuple[str, Any, str, bool]  # key, value (None: not shown), what is right, whether it is

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SMTPS = 465  # speaks TLS from its first byte, which is not STARTTLS
TELEGRAM = "https://api.telegram.org"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=^_`{|}~-]+@[A-Za-z0-9.-]+")
_CHAT = re.compile(r"-?\d+|@\w+")
_SERVER = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):(\d{1,5})")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")
_THRESHOLDS = (Decimal("1.0"), Decimal("0.5"), Decimal("0.1"))


@dataclass(frozen=True)
class Slack:
    """A channel of Slack's, by an incoming webhook."""

    kind: Literal["slack"]
    url: Reference


@dataclass(frozen=True)
class Telegram:
    """A chat that a bot may write to."""

    kind: Literal["telegram"]
    token: Reference
    chat: str
    api: str = TELEGRAM


@dataclass(frozen=True)
class Email:
    """People, by a mail server."""

    kind: Literal["email"]
    smtp: str
    to: Sequence[str]
    sender: str | None = field(default=None, metadata={"key": "from"})
    user: Reference | None = None
    password: Reference | None = None


@dataclass(frozen=True)
class Sns:
    """A topic of Amazon SNS."""

    kind: Literal["sns"]
    topic: str
    endpoint: str | None = None


@dataclass(frozen=True)
class Limit:
    """How many messages one channel gets: so many at once, then one every so often."""

    burst: int = 5
    every: timedelta = timedelta(minutes=1)


ChannelSettings = Slack | Telegram | Email | Sns


@dataclass(frozen=True)
class AlertSettings:
    """What people are told, and where."""

    spread_pct: Sequence[Decimal] = _THRESHOLDS
    channels: Sequence[Slack | Telegram | Email | Sns] = ()
    settle: timedelta = timedelta(minutes=1)
    remind_after: timedelta = timedelta(days=1)
    limit: Limit = Limit()


def rules(alerts: AlertSettings) -> Iterator[Rule]:
    """Yield what types cannot say."""
    spreads = alerts.spread_pct
    falling = all(above > below for above, below in itertools.pairwise(spreads))
    within = all(0 < threshold < 100 for threshold in spreads)  # noqa: PLR2004 - percent
    shown = [float(threshold) for threshold in spreads]
    yield (
        "alerts.spread_pct",
        shown,
        "percentages between 0 and 100, the greatest first, such as [1.0, 0.5, 0.1]",
        falling and within,
    )
    yield "alerts.settle", str(alerts.settle), "100ms to 1h", timedelta(milliseconds=100) <= alerts.settle <= timedelta(hours=1)
    remind = alerts.remind_after
    yield "alerts.remind_after", str(remind), "1m to 365d", timedelta(minutes=1) <= remind <= timedelta(days=365)
    yield "alerts.limit.burst", alerts.limit.burst, "1 to 100", 1 <= alerts.limit.burst <= 100  # noqa: PLR2004 - said beside it
    every = alerts.limit.every
    yield "alerts.limit.every", str(every), "1s to 1h", timedelta(seconds=1) <= every <= timedelta(hours=1)
    for number, channel in enumerate(alerts.channels):
        yield from _channel(f"alerts.channels[{number}]", channel)


def _channel(where: str, channel: ChannelSettings) -> Iterator[Rule]:
    match channel:
        case Slack():
            pass
        case Telegram():
            right = "a chat's number such as \"-100123\", or a public one's name such as '@ticks'"
            yield f"{where}.chat", None, right, bool(_CHAT.fullmatch(channel.chat))
            yield f"{where}.api", None, ADDRESS, is_address(channel.api)
        case Email():
            yield from _email(where, channel)
        case Sns():
            right = "a standard topic's ARN, such as arn:aws:sns:us-east-1:123456789012:ticks"
            yield f"{where}.topic", channel.topic, right, bool(_TOPIC.fullmatch(channel.topic))
            endpoint = channel.endpoint
            right = "an address that begins with https:// or http://"
            yield f"{where}.endpoint", endpoint, right, endpoint is None or endpoint.startswith(("https://", "http://"))


def _email(where: str, email: Email) -> Iterator[Rule]:
    server = _SERVER.fullmatch(email.smtp)
    right = f"host:port of a server that speaks STARTTLS or nothing of TLS, such as smtp.example.com:587; not {SMTPS}"
    yield f"{where}.smtp", None, right, bool(server and 0 < int(server[2]) < 1 << 16 and int(server[2]) != SMTPS)
    yield f"{where}.to", list(email.to), "at least one address", bool(email.to)
    for address in email.to:
        yield f"{where}.to", address, "an address such as desk@example.com", bool(_ADDRESS.fullmatch(address))
    sender = email.sender
    yield f"{where}.from", sender, "an address such as lake@example.com", sender is None or bool(_ADDRESS.fullmatch(sender))
    for given, missing in (("user", "password"), ("password", "user")):
        is_alone = getattr(email, given) is not None and getattr(email, missing) is None
        yield f"{where}.{missing}", None, f"this key is required where {given} is", not is_alone


ADDRESS = "an address that begins with https://, or with http:// on this machine, without user, query or fragment"


def is_address(text: str) -> bool:
    """Whether a secret may be sent there."""
    try:
        found = urlsplit(text)
        host = found.hostname
    except ValueError:
        return False
    if not text.isascii() or not text.isprintable() or " " in text or not host or "@" in found.netloc:
        return False
    is_kept_secret = found.scheme == "https" or (found.scheme == "http" and host in LOOPBACK)
    return is_kept_secret and not found.query and not found.fragment
