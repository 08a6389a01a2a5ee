"""E-mail, by a mail server that takes it or says why not."""

import contextlib
import functools
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid

from ingest.alert_settings import Email
from ingest.alerts.channel import Channel, RefusedError, UnreachableError, redacted

_PERMANENT = 500  # codes from there on


@dataclass(frozen=True)
class _Account:
    user: str = field(repr=False)
    password: str = field(repr=False)


def mail(name: str, email: Email, user: str | None, password: str | None, seconds: float) -> Channel:
    """The people of a list, by their mail server."""
    account = _Account(user, password) if user is not None and password is not None else None
    return Channel(name, functools.partial(_send, email, account, seconds))


def _send(email: Email, account: _Account | None, seconds: float, title: str, text: str) -> None:
    secrets = (account.password, account.user) if account else ()
    try:
        _deliver(email, account, seconds, title, text)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        why = redacted("; ".join(f"{who}: {_said(*said)}" for who, said in error.recipients.items()), secrets)
        raise (RefusedError(why) if min(codes) >= _PERMANENT else UnreachableError(why)) from None
    except smtplib.SMTPResponseException as error:
        why = redacted(_said(error.smtp_code, error.smtp_error), secrets)
        raise (RefusedError(why) if error.smtp_code >= _PERMANENT else UnreachableError(why)) from None
    except smtplib.SMTPNotSupportedError as error:
        raise RefusedError(redacted(str(error), secrets)) from None
    except UnicodeError:
        raise RefusedError("the user or the password has characters that a mail server cannot be told") from None
    except OSError as error:  # among them every other error of smtplib and of TLS
        raise UnreachableError(redacted(f"{type(error).__name__}: {error}", secrets)) from None


def _deliver(email: Email, account: _Account | None, seconds: float, title: str, text: str) -> None:
    host, _, port = email.smtp.rpartition(":")
    sender = email.sender or email.to[0]
    domain = sender.rpartition("@")[2]  # also our name to the server: this machine's own would have to be looked up
    server = smtplib.SMTP(host.strip("[]"), int(port), local_hostname=domain, timeout=seconds)
    try:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        elif account:
            raise RefusedError("the server offers no STARTTLS, and a password is not sent in the clear")
        if account:
            server.login(account.user, account.password)
        refused = server.send_message(_message(sender, email, domain, title, text))
    finally:
        with contextlib.suppress(OSError):
            server.quit()
        server.close()
    if refused:
        raise RefusedError("; ".join(f"{who}: {_said(*said)}" for who, said in refused.items()))


def _message(sender: str, email: Email, domain: str, title: str, text: str) -> EmailMessage:
    message = EmailMessage(SMTP)
    message["From"] = sender
    message["To"] = ", ".join(email.to)
    message["Subject"] = title.replace("=?", "= ?")  # else it would be decoded, and what comes out may hold headers of its own
    message["Date"] = localtime()
    message["Message-ID"] = make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence answers
    message.set_content(f"{title}\n\n{text}\n")
    return message


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
