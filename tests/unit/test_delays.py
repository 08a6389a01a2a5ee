"""When to try again, and when never."""

import socket
import ssl
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocketAddressException, WebSocketBadStatusException, WebSocketTimeoutException

from ingest.delays import ClosedError, ProtocolError, RefusedError, SilenceError, Verdict, pause, retryable, verdict


def bad_status(status, **headers):
    return WebSocketBadStatusException("Handshake status", status, resp_headers=headers)


@pytest.mark.parametrize(
    ("error", "action", "at_least", "word"),
    [
        (bad_status(418, **{"retry-after": "120"}), "stop", 120, "banned"),
        (bad_status(418), "stop", 120, "banned"),
        (bad_status(451), "other_host", 0, "HTTP 451"),
        (bad_status(403), "other_host", 0, "HTTP 403"),
        (bad_status(404), "other_host", 0, "HTTP 404"),
        (bad_status(429, **{"retry-after": "17"}), "again", 17, "HTTP 429"),
        (bad_status(429), "again", 60, "HTTP 429"),
        (bad_status(429, **{"retry-after": "Wed, 21 Oct"}), "again", 60, "HTTP 429"),
        (bad_status(503), "again", 0, "HTTP 503"),
        (WebSocketAddressException("no such name"), "again", 0, "address not found"),
        (socket.gaierror(-2, "Name or service not known"), "again", 0, "gaierror"),
        (ssl.SSLCertVerificationError("self-signed"), "again", 0, "SSLCertVerificationError"),
        (ConnectionRefusedError(111, "refused"), "again", 0, "ConnectionRefusedError"),
        (WebSocketTimeoutException("timed out"), "again", 0, "timed out"),
        (ClosedError("code 1006"), "again", 0, "code 1006"),
        (SilenceError("nothing for 30 s"), "again", 0, "nothing for 30 s"),
        (ProtocolError("masked"), "again", 0, "masked"),
        (RefusedError("Invalid request"), "again", 5, "Invalid request"),
        (KeyError("surprise"), "again", 5, "unexpected KeyError"),
    ],
)
def test_the_verdict_on_each_error(error, action, at_least, word):
    found = verdict(error)
    assert found == Verdict(action, found.why, at_least)
    assert word in found.why
    assert retryable(error) == (action == "again")


@given(st.lists(st.floats(0, 50), min_size=1, max_size=60), st.integers(1, 5))
def test_paced_attempts_keep_the_limit_in_any_five_minutes(wishes, limit):
    now, made, attempts = 0.0, [], deque()
    for wish in wishes:
        now += wish
        now += pause(attempts, now, limit)
        now += max(0.0, pause(attempts, now, limit))  # a sum of floats may fall short by its last bit
        attempts.append(now)
        made.append(now)
    for start in made:
        assert sum(start <= at < start + 299.999 for at in made) <= limit


def test_nobody_waits_below_the_limit():
    assert pause(deque([1.0, 2.0]), 3.0, 3) == 0
    assert pause(deque([1.0, 2.0, 3.0]), 4.0, 3) == 297
