"""What a run has paged so far: counted by its threads, read by whoever watches."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.backfill.lines import Held
from ingest.rest.search import Span

NAMED = 5  # runs of absent ids of a pair that the last line names
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Paged:
    """How far a run is, or how far it came."""

    seconds: float
    ids: int  # that are wanted; where they are not dense there are fewer trades
    left: int  # of these
    files: int
    pages: int
    trades: int
    bytes: int  # of lines
    there: int  # files of an earlier run
    notes: Sequence[str] = ()  # what the venue has not
    doing: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def is_good(self) -> bool:
        """Whether all that the venue tells is in the lake."""
        return not self.failures and not self.left


@dataclass
class Tally:
    """Of one run."""

    ids: int = 0
    done: int = 0
    files: int = 0
    pages: int = 0
    trades: int = 0
    bytes: int = 0
    there: int = 0
    notes: list[str] = field(default_factory=list)
    doing: dict[int, str] = field(default_factory=dict)  # by thread
    failures: list[str] = field(default_factory=list)
    _absent: dict[str, list[Span]] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def want(self, pair: str, span: Span, left: Sequence[Span], held: Sequence[Held]) -> None:
        """The ids of a pair's days, and what an earlier run has brought of them."""
        with self._one:
            self.ids += span[1] - span[0] + 1
            self.done += span[1] - span[0] + 1 - sum(high - low + 1 for low, high in left)
            for one in held:
                self.there += one.key is not None
                self._note(pair, one)

    def page(self) -> None:
        """One more has come."""
        with self._one:
            self.pages += 1

    def keep(self, pair: str, held: Held, size: int) -> None:
        """A file is in the lake, or the word that the venue has none of these ids."""
        _LOG.info("event=kept key=%s low=%d high=%d trades=%d", held.key, held.low, held.high, held.trades)
        with self._one:
            self.done += held.high - held.low + 1
            self.files += held.key is not None
            self.trades += held.trades
            self.bytes += size
            self._note(pair, held)

    def fail(self, text: str) -> None:
        _LOG.error("event=backfill_failed detail=%r", text)
        with self._one:
            self.failures.append(text)

    def told(self, seconds: float) -> Paged:
        """As it is now."""
        with self._one:
            return Paged(
                seconds=seconds,
                ids=self.ids,
                left=self.ids - self.done,
                files=self.files,
                pages=self.pages,
                trades=self.trades,
                bytes=self.bytes,
                there=self.there,
                notes=[*self.notes, *(_named(pair, spans) for pair, spans in sorted(self._absent.items()))],
                doing=list(self.doing.values()),
                failures=list(self.failures),
            )

    def _note(self, pair: str, held: Held) -> None:
        for low, high in held.absent:
            _LOG.warning("event=absent pair=%s low=%d high=%d file=%s", pair, low, high, held.key)
        if held.absent:
            self._absent.setdefault(pair, []).extend(held.absent)


def _named(pair: str, spans: Sequence[Span]) -> str:
    named = ", ".join(f"{low} to {high}" for low, high in sorted(spans)[:NAMED])
    more = f" and {len(spans) - NAMED} more" if len(spans) > NAMED else ""
    return f"{pair}: absent between the venue's own ids: {named}{more}"
