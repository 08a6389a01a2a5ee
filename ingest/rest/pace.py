"""Not more than so many requests a second, whoever of several threads asks."""

import threading
from collections.abc import Mapping

import urllib3

from ingest.clock import Clock
from ingest.rest.download import Fetch


class Paced:
    """A `Fetch` that waits for its turn."""

    def __init__(self, fetch: Fetch, per_second: float, clock: Clock, stop: threading.Event) -> None:
        self._fetch = fetch
        self._seconds = 1 / per_second
        self._clock = clock
        self._stop = stop
        self._one = threading.Lock()
        self._next = 0.0

    def __call__(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        with self._one:
            now = self._clock.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._seconds
        if turn > now:
            self._stop.wait(turn - now)
        return self._fetch(url, headers)
