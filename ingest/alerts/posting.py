"""JSON to an address, once. What the answer means is decided by its status."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ingest.alerts.channel import RefusedError, UnreachableError, redacted

MOST = 16_384  # bytes of an answer that are read
SHOWN = 200  # characters of it that an error shows
_LONGEST = 3600.0  # seconds that an answer may make us wait
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True)
class Address:
    """Where to post, what of it nobody may see, and how long a silence is borne."""

    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    seconds: float


def post(address: Address, content: Mapping[str, Any]) -> str:
    """The text of the answer; an error where the address did not take the content."""
    secrets = address.secrets
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "ticklake"}
    request = Request(address.url, json.dumps(content).encode(), headers, method="POST")  # noqa: S310 - `is_address` has let it pass
    try:
        with build_opener(_NoRedirects).open(request, timeout=address.seconds) as answer:
            return _text(answer)
    except HTTPError as error:
        with error:
            raise _verdict(error.code, _text(error), error.headers.get("Retry-After"), secrets) from None
    except URLError as error:
        raise UnreachableError(redacted(str(error.reason), secrets)) from None
    except (OSError, HTTPException) as error:
        raise UnreachableError(redacted(f"{type(error).__name__}: {error}", secrets)) from None


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would lose the content, and carry a secret elsewhere: it is an answer as others are."""

    def redirect_request(  # noqa: PLR0913, PLR0917 - the library's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: follow it nowhere."""


def _verdict(status: int, text: str, retry_after: str | None, secrets: Sequence[str]) -> RefusedError | UnreachableError:
    why = redacted(f"HTTP {status}: {text}", secrets)[:SHOWN]
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LATER:
        return RefusedError(why)
    return UnreachableError(why, at_least=max(_told(retry_after), _told_within(text)))


def _told(seconds: object) -> float:
    text = str(seconds)
    return min(float(text), _LONGEST) if text.isascii() and text.isdecimal() else 0.0


def _told_within(text: str) -> float:
    """Telegram says in its answer how long to wait."""
    try:
        return _told(json.loads(text)["parameters"]["retry_after"])
    except (ValueError, LookupError, TypeError):
        return 0.0


def _text(answer: IO[bytes]) -> str:
    try:
        return answer.read(MOST).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""  # its status has arrived, and says enough
