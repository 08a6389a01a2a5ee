"""Slack and Telegram with a real server on this machine: what arrives, what an answer means, and that no error shows a secret."""

import html

import pytest

from ingest.alert_settings import AlertSettings, Slack, Telegram
from ingest.alerts.channel import RefusedError, UnreachableError, redacted
from ingest.alerts.channels import channels
from ingest.alerts.posting import Address
from ingest.settings import SettingsError
from ingest.values import Reference
from tests.support.receivers import Answer, Received, no_proxy, receiver  # noqa: F401 - one is a fixture

PATH = "/services/T000/B000/webhook-secret"
BOT = "123456:bot-secret_AA"
TITLE = "[ticklake laptop] critical: stall a & b"
TEXT = "CRITICAL stall a & b: said <!channel> *now* _and_ @here /stop </pre> `x` (since 2024-11-07 17:20:03 UTC)\nü…"


def channel(settings, *, seconds=10.0, **secrets):
    """The channel, whose secrets are looked up by the end of their key."""
    (found,) = channels(AlertSettings(channels=(settings,)), lambda _, where: secrets[where.rpartition(".")[2]], seconds)
    return found


def slack(address, **given):
    return channel(Slack("slack", Reference("env:URL")), url=f"{address}{PATH}", **given)


def telegram(address, bot=BOT, **given):
    return channel(Telegram("telegram", Reference("env:TOKEN"), "-100123", address), token=bot, **given)


def test_slack_gets_the_text_with_its_three_characters_escaped():
    with receiver() as there:
        slack(there.address).send(TITLE, TEXT)
    (request,) = there.received
    text = request.content.pop("text")
    assert request == Received(
        PATH, "application/json; charset=utf-8", {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    )
    assert "said &lt;!channel&gt; *now* _and_ @here /stop &lt;/pre&gt; `x`" in text
    assert html.unescape(text) == f"{TITLE}\n{TEXT}"


def test_telegram_gets_the_text_where_nothing_becomes_a_mention():
    with receiver(Answer(text='{"ok": true}')) as there:
        telegram(there.address).send(TITLE, TEXT)
    (request,) = there.received
    text = request.content.pop("text")
    settings = {"chat_id": "-100123", "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    assert request == Received(f"/bot{BOT}/sendMessage", "application/json; charset=utf-8", settings)
    assert text.startswith("<pre>")
    assert text.endswith("</pre>")
    assert "<" not in text[5:-6]
    assert html.unescape(text[5:-6]) == f"{TITLE}\n{TEXT}"


@pytest.mark.parametrize("letter", ["x", "😀", "&"])
def test_a_text_too_long_for_telegram_says_how_much_is_missing(letter):
    with receiver(Answer(text='{"ok": true}')) as there:
        telegram(there.address).send("title", letter * 5000)
    text = html.unescape(there.received[0].content["text"][5:-6])
    cut, rest = text.split("… (")
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert len(cut) + int(rest.split()[0]) == len("title\n") + 5000
    assert len(cut) > (3800 if letter != "😀" else -1)


def test_a_text_too_long_for_slack_says_how_much_is_missing():
    with receiver() as there:
        slack(there.address).send("title", "x" * 20_000)
    assert there.received[0].content["text"] == "title\n" + "x" * 11_994 + "… (8006 characters more)"


@pytest.mark.parametrize(
    ("answer", "error", "why", "at_least"),
    [
        (Answer(404, "no_service"), RefusedError, "HTTP 404: no_service", None),
        (Answer(403, f"no {PATH}\nhere"), RefusedError, "HTTP 403: no … here", None),
        (Answer(400, "x" * 999), RefusedError, "HTTP 400: " + "x" * 190, None),
        (Answer(302, "", {"Location": "/elsewhere"}), RefusedError, "HTTP 302:", None),
        (Answer(307, "", {"Location": "/elsewhere"}), RefusedError, "HTTP 307:", None),
        (Answer(408), UnreachableError, "HTTP 408: ok", 0),
        (Answer(429, "rate_limited", {"Retry-After": "17"}), UnreachableError, "HTTP 429: rate_limited", 17),
        (Answer(429, "", {"Retry-After": "9999999"}), UnreachableError, "HTTP 429:", 3600),
        (Answer(429, "", {"Retry-After": "soon"}), UnreachableError, "HTTP 429:", 0),
        (Answer(500, "away"), UnreachableError, "HTTP 500: away", 0),
        (Answer(503, "away"), UnreachableError, "HTTP 503: away", 0),
    ],
)
def test_what_an_answer_means(answer, error, why, at_least):
    with receiver(answer) as there, pytest.raises(error) as caught:
        slack(there.address).send("title", "text")
    assert str(caught.value) == why
    assert getattr(caught.value, "at_least", None) == at_least
    assert len(there.received) == 1  # nothing is followed, nothing sent twice


@pytest.mark.parametrize(
    ("answer", "error", "why", "at_least"),
    [
        (
            Answer(429, '{"ok":false,"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}'),
            UnreachableError,
            'HTTP 429: {"ok":false,"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}',
            34,
        ),
        (
            Answer(401, '{"ok":false,"description":"Unauthorized"}'),
            RefusedError,
            'HTTP 401: {"ok":false,"description":"Una',
            None,
        ),
        (Answer(404, f"no /bot{BOT}/sendMessage"), RefusedError, "HTTP 404: no /bot…/sendMessage", None),
        (Answer(200, '{"ok":false}'), RefusedError, "not Telegram's answer: {", None),
        (Answer(200, f"<html>Log in for {BOT}"), RefusedError, "not Telegram's answer: <html>Log in for …", None),
        (Answer(200, "[1]"), RefusedError, "not Telegram's answer: [1]", None),
        (Answer(200, ""), RefusedError, "not Telegram's answer:", None),
    ],
)
def test_what_telegram_means(answer, error, why, at_least):
    with receiver(answer) as there, pytest.raises(error) as caught:
        telegram(there.address).send("title", "text")
    assert str(caught.value).startswith(why)
    assert getattr(caught.value, "at_least", None) == at_least
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("make", [slack, telegram])
def test_a_server_that_says_nothing_is_not_waited_for(make):
    with receiver(Answer(is_silent=True)) as there, pytest.raises(UnreachableError, match="timed out"):
        make(there.address, seconds=0.2).send("title", "text")


@pytest.mark.parametrize("make", [slack, telegram])
def test_nobody_there_is_unreachable(make):
    with receiver() as gone:
        pass
    with pytest.raises(UnreachableError, match="Connection refused"):
        make(gone.address).send("title", "text")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: slack("http://example.com"), "alerts.channels[0].url: the secret is not an address that begins with https://"),
        (lambda: slack("https://me:webhook-secret@example.com"), "alerts.channels[0].url: the secret is not an address"),
        (lambda: slack(f"hooks.example.com{PATH} "), "alerts.channels[0].url: the secret is not an address"),
        (lambda: telegram("https://x", bot="bot-secret"), "alerts.channels[0].token: the secret is no bot's token"),
        (lambda: telegram("https://x", bot="1:bot-secret/../x"), "alerts.channels[0].token: the secret is no bot's token"),
    ],
)
def test_a_secret_of_the_wrong_kind_is_refused_by_its_key_and_not_shown(make, message):
    with pytest.raises(SettingsError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "secret-" not in str(caught.value)
    assert "bot-secret" not in str(caught.value)


def test_no_channel_shows_its_secrets():
    shown = repr([slack("https://x"), telegram("https://x")])
    assert "Channel(name='alerts.channels[0] slack')" in shown
    assert "secret" not in shown
    assert repr(Address("https://x/secret", ("secret",), 1.0)) == "Address(seconds=1.0)"
    assert redacted("a word word-word\nwo", ["word", "", "wo", "word-word"]) == "a … … wo"
