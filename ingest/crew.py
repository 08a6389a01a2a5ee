"""The threads of a run."""

import logging
import threading
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class Crew:
    """Starts them. A fault that nobody foresaw ends the whole run: half of one must not look like a whole one."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.faults: list[str] = []

    def start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self.guard, args=(name, body), name=name, daemon=True)
        thread.start()
        return thread

    def guard(self, name: str, body: Callable[[], None]) -> None:
        """Run `body` in this thread."""
        try:
            body()
        except Exception as error:  # noqa: BLE001 - the last line of defence, it reports and ends everything
            _LOG.exception("event=fault thread=%s", name)
            self.faults.append(f"{name}: {error!r}")
            self._stop.set()
