"""The truth beside the simulator: every trade that passed, one JSON line each, and whether anybody was sent it."""

import json
from dataclasses import dataclass, field
from typing import IO

from ingest.simulator.listings import Series
from ingest.simulator.wire import Frame


@dataclass
class Passed:
    """A frame that passed."""

    frame: Frame
    sent: bool  # to at least one subscriber
    dropped: bool = False  # kept back on purpose
    is_before: bool = False  # passed before the market was opened


@dataclass
class Truth:
    """A feed's last frame waits for the next one: Coinbase may still send it, as the first thing a new subscriber hears."""

    file: IO[str] | None
    last: dict[Series, Passed] = field(default_factory=dict)
    frames: int = 0
    trades: int = 0
    sent: int = 0
    dropped: int = 0

    def passed(self, frame: Frame, *, sent: bool, dropped: bool) -> None:
        before = self.last.get(frame.series)
        self.last[frame.series] = Passed(frame, sent, dropped)
        if before is not None:
            self._write(before)

    def close(self) -> None:
        """Write what waits; what went before is in the file."""
        for passed in self.last.values():
            self._write(passed)
        self.last.clear()
        if self.file is not None:
            self.file.flush()

    def _write(self, passed: Passed) -> None:
        frame = passed.frame
        if passed.is_before and not passed.sent:
            return
        self.frames += 1
        self.trades += len(frame.trades)
        self.sent += passed.sent * len(frame.trades)
        self.dropped += passed.dropped
        if self.file is None:
            return
        series = frame.series
        where = {"venue": series.venue, "market": series.market, "kind": series.kind, "pair": series.pair}
        for trade in frame.trades:
            row = {**where, **trade._asdict(), "sent": passed.sent, "dropped": passed.dropped}
            self.file.write(json.dumps(row, separators=(",", ":")) + "\n")
