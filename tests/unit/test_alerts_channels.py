"""Each channel with a real server on this machine: what arrives, what an answer means, and that no error shows a secret."""

import html
import ssl

import boto3
import pytest
import trustme

from ingest.alert_settings import AlertSettings, Email, Slack, Sns, Telegram
from ingest.alerts.channel import RefusedError, UnreachableError, redacted
from ingest.alerts.channels import channels
from ingest.alerts.posting import Address
from ingest.settings import SettingsError
from ingest.values import Reference
from tests.support.aws import ACCOUNT, ENVIRONMENT, aws
from tests.support.receivers import Answer, Received, no_proxy, postbox, receiver  # noqa: F401 - one is a fixture

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


def email(address, *, to=("desk@example.com",), sender=None, login=None, **given):
    if not login:
        return channel(Email("email", address, to, sender), **given)
    settings = Email("email", address, to, sender, Reference("env:USER"), Reference("env:PASSWORD"))
    return channel(settings, user=login[0], password=login[1], **given)


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
    shown = repr([slack("https://x"), telegram("https://x"), email("x:25", login=("me", "secret-password"))])
    assert "Channel(name='alerts.channels[0] slack')" in shown
    assert "secret" not in shown
    assert repr(Address("https://x/secret", ("secret",), 1.0)) == "Address(seconds=1.0)"
    assert redacted("a word word-word\nwo", ["word", "", "wo", "word-word"]) == "a … … wo"


def test_mail_has_title_text_and_says_that_a_program_wrote_it():
    with postbox() as there:
        email(there.address, to=("desk@example.com", "night@example.com"), sender="lake@example.org").send(TITLE, TEXT)
    (found,) = there.mails
    assert there.recipients == [["desk@example.com", "night@example.com"]]
    assert {name: found[name] for name in ("From", "To", "Subject", "Auto-Submitted")} == {
        "From": "lake@example.org",
        "To": "desk@example.com, night@example.com",
        "Subject": TITLE,
        "Auto-Submitted": "auto-generated",
    }
    assert found["Date"]
    assert found["Message-ID"].endswith("@example.org>")
    assert found.get_content().replace("\r\n", "\n") == f"{TITLE}\n\n{TEXT}\n"
    assert there.was_private == [False]


def test_the_sender_is_the_first_of_those_who_get_it_where_nobody_says_else():
    with postbox() as there:
        email(there.address).send("[ticklake läptop] x", "text")
    assert there.mails[0]["From"] == "desk@example.com"
    assert there.mails[0]["Subject"] == "[ticklake läptop] x"


@pytest.mark.parametrize(
    "title", ["=?utf-8?q?a=0ABcc:_x@y?=", "==?utf-8?q?a=0D=0ABcc=3A_x@y?= tail", "x" * 400, "ü" * 300 + " 😀"]
)
def test_a_title_stays_what_it_is_and_adds_no_header(title):
    with postbox() as there:
        email(there.address).send(title, f".\n{title}\n.")
    (found,) = there.mails
    names = [
        "Auto-Submitted",
        "Content-Transfer-Encoding",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ]
    assert sorted(set(found.keys()) - {"X-Peer", "X-MailFrom", "X-RcptTo"}) == names
    assert found["Subject"] == title.replace("=?", "= ?")
    assert found.get_content().replace("\r\n", "\n") == f"{title}\n\n.\n{title}\n.\n"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@pytest.mark.usefixtures("trusted")
def test_mail_goes_privately_where_the_server_offers_it_and_logs_in(tls):
    with postbox(tls) as there:
        email(there.address, login=("me", "right")).send("title", "text")
        email(there.address).send("title", "text")
    assert there.was_private == [True, True]
    assert there.logins == [("me", "right")]


def test_a_server_whose_certificate_nobody_knows_gets_nothing(tls):
    with postbox(tls) as there, pytest.raises(UnreachableError, match=r"^SSLCertVerificationError: .*CERTIFICATE_VERIFY_FAILED"):
        email(there.address, login=("me", "right")).send("title", "text")
    assert (there.mails, there.logins) == ([], [])


def test_a_password_is_not_sent_in_the_clear():
    with postbox() as there, pytest.raises(RefusedError, match="offers no STARTTLS, and a password is not sent in the clear"):
        email(there.address, login=("me", "right")).send("title", "text")
    assert (there.mails, there.logins) == ([], [])


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("password", "why"),
    [("wrong-secret", "535 5.7.8 Authentication credentials invalid"), ("wröng", "characters that a mail server cannot be told")],
)
def test_a_wrong_password_is_refused_and_not_shown(tls, password, why):
    with postbox(tls) as there, pytest.raises(RefusedError, match=why) as caught:
        email(there.address, login=("me", password)).send("title", "text")
    assert there.mails == []
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("refusals", "error", "why", "got"),
    [
        ({"a@x.y": "500 nobody", "b@x.y": "550 nobody"}, RefusedError, "a@x.y: 500 nobody; b@x.y: 550 nobody", []),
        ({"a@x.y": "450 later", "b@x.y": "550 nobody"}, UnreachableError, "a@x.y: 450 later; b@x.y: 550 nobody", []),
        ({"a@x.y": "550 nobody"}, RefusedError, "a@x.y: 550 nobody", [["b@x.y"]]),
    ],
)
def test_what_a_server_says_of_the_recipients(refusals, error, why, got):
    with postbox() as there:
        there.refusals.update(refusals)
        with pytest.raises(error) as caught:
            email(there.address, to=("a@x.y", "b@x.y")).send("title", "text")
    assert str(caught.value) == why
    assert there.recipients == got


def test_no_mail_server_is_unreachable():
    with postbox() as gone:
        pass
    with pytest.raises(UnreachableError, match=r"^ConnectionRefusedError: .*Connection refused$"):
        email(gone.address).send("title", "text")


def test_a_mail_server_that_says_nothing_is_not_waited_for():
    with (
        receiver() as there,
        pytest.raises(UnreachableError, match=r"^SMTPServerDisconnected: Connection unexpectedly closed: timed out$"),
    ):
        email(there.address.removeprefix("http://"), seconds=0.2).send("title", "text")


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
