"""The section `alerts`: every bad value is named, and no secret that stands in a wrong place is ever shown."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ingest.alert_settings import AlertSettings, Email, Limit, Slack, Sns, Telegram, is_address
from ingest.settings import SettingsError, settings
from ingest.values import Reference

SLACK = {"kind": "slack", "url": "env:SLACK_WEBHOOK"}
TELEGRAM = {"kind": "telegram", "token": "secretsmanager:ticklake/telegram", "chat": "-100123"}
EMAIL = {"kind": "email", "smtp": "smtp.example.com:587", "to": ["desk@example.com"]}
SNS = {"kind": "sns", "topic": "arn:aws:sns:us-east-1:123456789012:ticks"}
WEBHOOK = "https://hooks.example.com/services/T000/B000/XYZ"


def alerts(**section):
    return settings({"lake": "./lake", "ingest": {"collector": "laptop"}, "alerts": section}).alerts


def refusal(**section):
    with pytest.raises(SettingsError) as caught:
        alerts(**section)
    return str(caught.value)


def test_nothing_said_is_nobody_told():
    found = settings({"lake": "./lake", "ingest": {"collector": "laptop"}}).alerts
    thresholds = (Decimal("1.0"), Decimal("0.5"), Decimal("0.1"))
    assert found == AlertSettings(thresholds, (), timedelta(minutes=1), timedelta(days=1), Limit(5, timedelta(minutes=1)))


def test_a_channel_of_each_kind():
    found = alerts(channels=[SLACK, TELEGRAM, EMAIL, SNS])
    assert found.channels == (
        Slack("slack", Reference("env:SLACK_WEBHOOK")),
        Telegram("telegram", Reference("secretsmanager:ticklake/telegram"), "-100123", "https://api.telegram.org"),
        Email("email", "smtp.example.com:587", ("desk@example.com",), None, None, None),
        Sns("sns", "arn:aws:sns:us-east-1:123456789012:ticks", None),
    )


def test_what_may_be_said_besides():
    mail = {**EMAIL, "from": "lake@example.com", "user": "env:MAIL_USER", "password": "env:MAIL_PASSWORD"}
    local = {**SNS, "endpoint": "http://127.0.0.1:5000"}
    bot = {**TELEGRAM, "chat": "@ticks", "api": "http://127.0.0.1:8081"}
    found = alerts(
        channels=[mail, local, bot], limit={"burst": 2, "every": "10m"}, settle="30s", remind_after="6h", spread_pct=[2]
    )
    user, password = Reference("env:MAIL_USER"), Reference("env:MAIL_PASSWORD")
    assert found == AlertSettings(
        (Decimal(2),),
        (
            Email("email", "smtp.example.com:587", ("desk@example.com",), "lake@example.com", user, password),
            Sns("sns", "arn:aws:sns:us-east-1:123456789012:ticks", "http://127.0.0.1:5000"),
            Telegram("telegram", Reference("secretsmanager:ticklake/telegram"), "@ticks", "http://127.0.0.1:8081"),
        ),
        timedelta(seconds=30),
        timedelta(hours=6),
        Limit(2, timedelta(minutes=10)),
    )


def test_percentages_are_what_the_person_wrote():
    found = alerts(spread_pct=[99.9, 1.0, 0.1, 0.05]).spread_pct
    assert [str(threshold) for threshold in found] == ["99.9", "1.0", "0.1", "0.05"]
    assert alerts(spread_pct=[]).spread_pct == ()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"spread": 1}, "alerts.spread is 1: no such key here; one of spread_pct, channels, settle, remind_after, limit"),
        ({"spread_pct": [0.1, 0.5]}, "alerts.spread_pct is [0.1, 0.5]: percentages between 0 and 100, the greatest first"),
        ({"spread_pct": [0.5, 0.5]}, "alerts.spread_pct is [0.5, 0.5]: percentages between 0 and 100, the greatest first"),
        ({"spread_pct": [100]}, "alerts.spread_pct is [100.0]: percentages between 0 and 100"),
        ({"spread_pct": [0]}, "alerts.spread_pct is [0.0]: percentages between 0 and 100"),
        ({"spread_pct": ["1 %"]}, "alerts.spread_pct[0] is '1 %': a number"),
        ({"spread_pct": [True]}, "alerts.spread_pct[0] is True: a number"),
        ({"spread_pct": [float("nan")]}, "alerts.spread_pct[0] is nan: a number"),
        ({"settle": "0s"}, "alerts.settle is '0:00:00': 100ms to 1h"),
        ({"settle": "2h"}, "alerts.settle is '2:00:00': 100ms to 1h"),
        ({"remind_after": "30s"}, "alerts.remind_after is '0:00:30': 1m to 365d"),
        ({"remind_after": "366d"}, "alerts.remind_after is '366 days, 0:00:00': 1m to 365d"),
        ({"limit": {"burst": 0}}, "alerts.limit.burst is 0: 1 to 100"),
        ({"limit": {"burst": 101}}, "alerts.limit.burst is 101: 1 to 100"),
        ({"limit": {"every": "2h"}}, "alerts.limit.every is '2:00:00': 1s to 1h"),
        ({"channels": {"kind": "slack"}}, "alerts.channels is {'kind': 'slack'}: a list"),
        ({"channels": ["slack"]}, "alerts.channels[0]: keys and values, with the key kind, one of slack, telegram, email, sns"),
        ({"channels": [{}]}, "alerts.channels[0].kind: this key is required: one of slack, telegram, email, sns"),
        ({"channels": [{"kind": "sms"}]}, "alerts.channels[0].kind is 'sms': no such kind; one of slack, telegram, email, sns"),
        ({"channels": [{"kind": ["slack"]}]}, "alerts.channels[0].kind is ['slack']: no such kind; one of slack, telegram"),
        ({"channels": [SLACK, {"kind": "slack"}]}, "alerts.channels[1].url: this key is required"),
        ({"channels": [{**SLACK, "chat": "1"}]}, "alerts.channels[0].chat: no such key here; one of kind, url"),
        ({"channels": [{**TELEGRAM, "chat": -100123}]}, "alerts.channels[0].chat: a text, in quotes"),
        ({"channels": [{**TELEGRAM, "chat": "ticks"}]}, "alerts.channels[0].chat: a chat's number such as "),
        (
            {"channels": [{**TELEGRAM, "api": "http://example.com"}]},
            "alerts.channels[0].api: an address that begins with https://",
        ),
        ({"channels": [{**EMAIL, "smtp": "smtp.example.com"}]}, "alerts.channels[0].smtp: host:port of a server that speaks"),
        ({"channels": [{**EMAIL, "smtp": "smtp.example.com:465"}]}, "alerts.channels[0].smtp: host:port of a server that speaks"),
        (
            {"channels": [{**EMAIL, "smtp": "smtp.example.com:65536"}]},
            "alerts.channels[0].smtp: host:port of a server that speaks",
        ),
        ({"channels": [{**EMAIL, "smtp": "smtp.example.com:0"}]}, "alerts.channels[0].smtp: host:port of a server that speaks"),
        ({"channels": [{**EMAIL, "to": []}]}, "alerts.channels[0].to is []: at least one address"),
        ({"channels": [{**EMAIL, "to": ["desk"]}]}, "alerts.channels[0].to is 'desk': an address such as desk@example.com"),
        ({"channels": [{**EMAIL, "to": ["a@b\nBcc: c@d"]}]}, "alerts.channels[0].to is 'a@b\\nBcc: c@d': an address such as"),
        ({"channels": [{**EMAIL, "to": ["=?q?=@b"]}]}, "alerts.channels[0].to is '=?q?=@b': an address such as"),
        ({"channels": [{**EMAIL, "from": "Lake <l@x>"}]}, "alerts.channels[0].from is 'Lake <l@x>': an address such as"),
        ({"channels": [{**EMAIL, "user": "env:U"}]}, "alerts.channels[0].password: this key is required where user is"),
        ({"channels": [{**EMAIL, "password": "env:P"}]}, "alerts.channels[0].user: this key is required where password is"),
        ({"channels": [{**SNS, "topic": "ticks"}]}, "alerts.channels[0].topic is 'ticks': a standard topic's ARN"),
        ({"channels": [{**SNS, "topic": f"{SNS['topic']}.fifo"}]}, "alerts.channels[0].topic is 'arn:aws:sns:us-east-1:1234"),
        ({"channels": [{**SNS, "endpoint": "127.0.0.1"}]}, "alerts.channels[0].endpoint is '127.0.0.1': an address that begins"),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(section, message):
    assert refusal(**section).startswith(message)


@pytest.mark.parametrize(
    "section",
    [
        *({"settle": value} for value in ("100ms", "1h")),
        *({"remind_after": value} for value in ("1m", "365d")),
        *({"limit": {"burst": value}} for value in (1, 100)),
        *({"limit": {"every": value}} for value in ("1s", "1h")),
        *({"channels": [{**EMAIL, "smtp": value}]} for value in ("a:1", "a:65535", "127.0.0.1:25", "[::1]:25")),
        {"channels": [{**SNS, "topic": "arn:aws-cn:sns:cn-north-1:123456789012:t"}]},
        {"spread_pct": [99.99, 0.01]},
    ],
)
def test_the_bounds_themselves_are_right(section):
    assert alerts(**section)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ({**SLACK, "url": WEBHOOK}, "alerts.channels[0].url: env:NAME or secretsmanager:ID, never the secret itself"),
        ({"kind": "slack", "webhook": WEBHOOK}, "alerts.channels[0].webhook: no such key here; one of kind, url"),
        (WEBHOOK, "alerts.channels[0]: keys and values, with the key kind, one of slack, telegram, email, sns"),
        ({**SNS, "endpoint": {"url": WEBHOOK}}, "alerts.channels[0].endpoint: a text"),
        ({**TELEGRAM, "token": ["XYZ"]}, "alerts.channels[0].token: env:NAME or secretsmanager:ID, never the secret itself"),
        ({**TELEGRAM, "chat": "1:XYZ"}, "alerts.channels[0].chat: a chat's number such as \"-100123\", or a public one's name"),
        ({**TELEGRAM, "api": WEBHOOK + "?XYZ"}, "alerts.channels[0].api: an address that begins with https://"),
        ({**EMAIL, "smtp": "me:XYZ@smtp.example.com:587"}, "alerts.channels[0].smtp: host:port of a server"),
        ({**EMAIL, "smtp": {"password": "XYZ"}}, "alerts.channels[0].smtp: a text"),
        ({**EMAIL, "user": "me", "password": "XYZ"}, "alerts.channels[0].user: env:NAME or secretsmanager:ID"),
        ({**EMAIL, "user": "env:U", "password": "env:X-Y-Z"}, "alerts.channels[0].password: env:NAME or secretsmanager:ID"),
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(channel, message):
    shown = refusal(channels=[channel])
    assert shown.startswith(message)
    assert "XYZ" not in shown
    assert "X-Y-Z" not in shown


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        (WEBHOOK, True),
        ("https://example.com:8443/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://[::1]:8080/x", True),
        ("http://localhost/x", True),
        ("http://example.com/x", False),
        ("ftp://127.0.0.1/x", False),
        ("https:///x", False),
        ("https://me:password@example.com/x", False),
        ("https://example.com/x?y=1", False),
        ("https://example.com/x#y", False),
        ("https://example.com/x y", False),
        ("https://example.com/x\r\nHost: evil", False),
        ("https://[::1", False),
        ("https://exämple.com/", False),
        ("", False),
    ],
)
def test_where_a_secret_may_be_sent(text, is_right):
    assert is_address(text) == is_right
