"""How long a stream may be silent before somebody asks why: learned from its own pauses. Pure."""

from dataclasses import dataclass

from ingest.settings import Silence

LEARNED = 30  # pauses after which a rhythm is known
MEMORY = 100  # pauses that the mean remembers
OF_MEAN, OF_LONGEST = 20.0, 2.0  # a silence of so many usual pauses, or so many of the longest ones, is odd
SOON_SECONDS = 1.0  # a busy stream has told of itself by then
FORGETS = 0.99  # of the longest, at each pause


@dataclass
class Rhythm:
    """The pauses of one stream. A busy pair is odd after seconds, a quiet one after many minutes."""

    at: float | None = None  # monotonic: when it was last heard, or since when somebody listens
    pauses: int = 0
    mean: float = 0.0
    longest: float = 0.0
    doubts: int = 0  # how often somebody asked in a row, and found nothing wrong or nothing to be done
    asked: float = 0.0  # monotonic: when somebody did so last
    is_mute: bool = False  # somebody asked, and something was wrong; until it is heard again

    def beat(self, now: float) -> None:
        """Something was heard. What came in one read is one beat."""
        if self.at is not None and now > self.at:
            pause = now - self.at
            self.pauses += 1
            self.mean += (pause - self.mean) / min(self.pauses, MEMORY)
            self.longest = max(pause, self.longest * FORGETS)
        self.at = now
        self.doubts = 0
        self.is_mute = False

    def listen(self, now: float) -> None:
        """A new connection: silence counts from here, and what lay between teaches nothing."""
        self.at = now

    def usual(self, silence: Silence, *, can_ask: bool) -> float:
        """Seconds. While a rhythm is unknown, one that can be asked about is asked soon, one that cannot is left alone."""
        low, high = silence.at_least.total_seconds(), silence.at_most.total_seconds()
        if silence.learn and self.pauses >= LEARNED:
            found = max(OF_MEAN * self.mean, OF_LONGEST * self.longest)
        else:
            found = low if can_ask else high
        return min(high, max(low, found))

    def limit(self, silence: Silence, *, can_ask: bool) -> float:
        """Seconds after which to ask: twice as long after each time that nothing came of it."""
        return min(silence.at_most.total_seconds(), self.usual(silence, can_ask=can_ask) * 2.0 ** min(self.doubts, 20))

    def is_odd(self, now: float, silence: Silence, *, can_ask: bool) -> bool:
        """Whether to ask."""
        return self.at is not None and now - max(self.at, self.asked) >= self.limit(silence, can_ask=can_ask)

    def is_unheard(self, now: float) -> bool:
        """Whether nothing was ever heard, and nobody has asked."""
        return not self.pauses and not self.doubts and self.at is not None and now - self.at >= SOON_SECONDS

    def doubt(self, now: float) -> None:
        """Somebody asks: not again before twice as long."""
        self.doubts += 1
        self.asked = now
