"""Those who receive alerts, on this machine: an HTTP server that answers by a script, and a mail server."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to these servers must not go by a proxy of this machine's."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@dataclass(frozen=True)
class Answer:
    """What the server says to one request."""

    status: int = 200
    text: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False  # never says anything; the client goes when it has waited enough


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    type: str
    content: Any
    at: float = field(default_factory=time.monotonic, compare=False)


@dataclass
class Receiver:
    """A running HTTP server. Request number n gets answer n, later ones the last."""

    address: str
    answers: list[Answer]
    received: list[Received] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    done: threading.Event = field(default_factory=threading.Event)

    def take(self, request: Received) -> Answer:
        with self.arrived:
            self.received.append(request)
            self.arrived.notify_all()
            return self.answers[min(len(self.received), len(self.answers)) - 1]

    def wait_for(self, count: int) -> list[Received]:
        """The requests, as soon as there are so many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, timeout=20), f"only {len(self.received)} arrived"
            return list(self.received)


@contextlib.contextmanager
def receiver(*answers: Answer) -> Iterator[Receiver]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            content = json.loads(data) if "json" in self.headers["Content-Type"] else data.decode()
            answer = found.take(Received(self.path, self.headers["Content-Type"], content))
            if answer.is_silent:
                found.done.wait(20)
                return
            data = answer.text.encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(data)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            found.take(Received(self.path, "", "GET"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}", list(answers or (Answer(),)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.done.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class Postbox:
    """A running mail server."""

    address: str
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_private: list[bool] = field(default_factory=list)  # whether each mail came over TLS
    refusals: dict[str, str] = field(default_factory=dict)  # recipient -> the server's words

    # aiosmtpd calls these by their names
    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        found = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]  # bytes, unless decoded
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        self.recipients.append(list(envelope.rcpt_tos))
        self.was_private.append(session.ssl is not None)
        return "250 OK"

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert mechanism in ("LOGIN", "PLAIN")
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"right", handled=False)  # not handled: the server says 535 itself


@contextlib.contextmanager
def postbox(tls: ssl.SSLContext | None = None) -> Iterator[Postbox]:
    """Serve until the block ends; with STARTTLS where a context is given. Log-ins are taken by the password `right`."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Postbox(f"127.0.0.1:{listener.getsockname()[1]}")
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def connection() -> SMTP:
        return SMTP(
            found, hostname="mail.test", tls_context=tls, authenticator=found.login, auth_require_tls=True, loop=loop, timeout=20
        )

    async def run() -> None:
        async with await loop.create_server(connection, sock=listener):
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
