"""What every channel is: a name, and a function that sends. How that fails is one of two errors, and no error shows a secret."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

SECONDS = 10.0  # of silence that an attempt bears
_SHORT = 4  # characters; what is shorter keeps nothing secret, and would blot out half of a text


class RefusedError(Exception):
    """The channel will never take this message."""


class UnreachableError(Exception):
    """The channel may take the message later."""

    def __init__(self, why: str, at_least: float = 0.0) -> None:
        super().__init__(why)
        self.at_least = at_least  # seconds before the next attempt, whatever the back-off says


@dataclass(frozen=True)
class Channel:
    """One way to people."""

    name: str
    send: Callable[[str, str], None] = field(repr=False)  # title and text; returns when they are delivered


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text in one line, without the secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, "…")
    return " ".join(text.split())
