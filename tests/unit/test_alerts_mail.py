"""E-mail with a real mail server on this machine: what arrives, over which connection, and what the server's words mean."""

import ssl

import pytest
import trustme

from ingest.alert_settings import AlertSettings, Email
from ingest.alerts.channel import RefusedError, UnreachableError
from ingest.alerts.channels import channels
from ingest.values import Reference
from tests.support.receivers import postbox, receiver

TITLE = "[ticklake laptop] critical: stall a & b"
TEXT = "CRITICAL stall a & b: said <!channel> *now* (since 2024-11-07 17:20:03 UTC)\nü…"


def email(address, *, to=("desk@example.com",), sender=None, login=None, seconds=10.0):
    keys = (Reference("env:0"), Reference("env:1")) if login else (None, None)
    settings = AlertSettings(channels=(Email("email", address, to, sender, *keys),))
    (found,) = channels(settings, lambda reference, _: login[int(reference[4:])], seconds)
    return found


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


def test_no_mail_channel_shows_its_secrets():
    assert repr(email("x:25", login=("me", "secret-password"))) == "Channel(name='alerts.channels[0] email')"
