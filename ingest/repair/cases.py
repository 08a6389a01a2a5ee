"""A gap under repair: what is looked for, what was learned so far, and how it ends. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from ingest.continuity import Hole
from ingest.exchanges.exchange import Exchange, Page, Source
from ingest.plan import Plan, past_of
from ingest.repair.files import days, proven
from ingest.repair.opengaps import OpenGap, times_text
from ingest.rest.download import Refusal
from ingest.rest.parts import Part
from ingest.rest.search import Search, Span
from ingest.settings import Ingest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORST = ("failed", "checksum", "unreadable", "not_published")  # of several reasons the first one is told


class Window(NamedTuple):
    """From when until when a feed's ids are the gap's: a venue may begin to count anew. Milliseconds; None: for ever."""

    since: int | None = None
    until: int | None = None

    def has(self, ms: int) -> bool:
        return (self.since is None or self.since <= ms) and (self.until is None or ms < self.until)


class End(NamedTuple):
    """How it ended, for now."""

    outcome: str
    rows: int
    detail: str | None
    source: Source


@dataclass
class Case:
    """One gap of one feed."""

    gap: OpenGap
    plan: Plan
    stream: str
    window: Window
    search: Search
    rest: tuple[str, str | None] | None = None  # what became of asking REST: outcome, detail
    read: dict[Part, Span | None] = field(default_factory=dict)  # files that were read, and their least and greatest id
    used: list[str] = field(default_factory=list)  # what people want to know of them
    refusals: dict[Part, Refusal] = field(default_factory=dict)
    wrong: list[Refusal] = field(default_factory=list)  # files that are not what the venue says, also where another one served

    @property
    def open_days(self) -> Sequence[date]:
        """Days of which no file was read, while there is something left to look for."""
        found = days(self.gap.before_ts, self.gap.after_ts) if self.search.left else ()
        return [day for day in found if not any(part.has(day) for part in self.read)]

    def learn(self, part: Part, span: Span | None, sha256: str) -> None:
        """A file was read, and its rows are kept."""
        self.read[part] = span
        self.used.append(f"{part.name} sha256 {sha256}")
        self._prove()

    def turn(self, outcome: str, detail: str | None) -> None:
        """REST was asked: what it had not got is looked for elsewhere, though it said that there is no such id."""
        self.rest = outcome, detail
        if outcome != "repaired":
            self.search = self.search.elsewhere()
            self._prove()

    def _prove(self) -> None:
        for low, high in proven(self.read):
            self.search.take(Page((), low, high))

    def due_in(self, now_ns: int) -> float:
        """Seconds until a file can be there, where none could be until now; 0: somebody else is waited for."""
        return max(0.0, min((part.due.timestamp() - now_ns / 1e9 for part in self.refusals), default=0.0))

    def told(self, end: End) -> Mapping[str, Any]:
        """The fields of its event: the gap's key, as the lake wrote it, and the end."""
        gap = self.gap
        return {
            "before_id": gap.before_id,
            "after_id": gap.after_id,
            "first_missing_id": gap.first_missing_id,
            "last_missing_id": gap.last_missing_id,
            "before_ts": times_text(gap.before_ts),
            "after_ts": times_text(gap.after_ts),
            "rows": end.rows,
            "outcome": end.outcome,
            "detail": end.detail,
        }


def case(ingest: Ingest, find: Callable[[str, str], Exchange], gap: OpenGap) -> Case:
    """A gap with what is known of its feed. LookupError, ValueError: no such feed is known."""
    plan = past_of(ingest, find(gap.venue, gap.market), gap.kind, gap.pair)
    (stream,) = plan.pairs
    return Case(gap, plan, stream, _window(ingest, gap), Search(_hole(gap, dense=plan.feed.dense)))


def end(found: Case) -> End:
    """Files count for more than what REST said: they were asked for what it had not got."""
    rest, rest_detail = found.rest or ("no_rest", None)
    rows, search = found.search.rows, found.search
    if not found.read and not found.refusals:
        return End(rest, rows, rest_detail, "rest")
    reasons = [why for part, why in found.refusals.items() if any(part.has(day) for day in found.open_days)]
    said = list(found.used)
    if not search.left:
        outcome = search.outcome
    else:
        outcome = min((why.outcome for why in reasons), key=_WORST.index, default="left")
        said += [why.detail for why in reasons]
        said += [f"nothing for {search.left[:5]}"] if outcome == "left" else []
    if outcome != "repaired" and found.rest is not None:
        said.append(f"REST: {rest}" + (f", {rest_detail}" if rest_detail else ""))
    return End(outcome, rows, "; ".join(said), "dump")


def _hole(gap: OpenGap, *, dense: bool) -> Hole:
    """What is to be looked for: the ids that are absent, or where those are not known all between the two trades."""
    low, high = gap.before_id + 1, gap.before_id if gap.after_id is None else gap.after_id - 1
    if dense:
        low = low if gap.first_missing_id is None else gap.first_missing_id
        high = high if gap.last_missing_id is None else gap.last_missing_id
    before, after = _milliseconds(gap.before_ts), _milliseconds(gap.after_ts)
    return Hole("ids" if dense else "suspected", low, high, gap.before_id, gap.after_id, before, after, is_told=True)


def _window(ingest: Ingest, gap: OpenGap) -> Window:
    starts = {
        epoch.n: _milliseconds(epoch.since)
        for epoch in ingest.epochs
        if (epoch.venue, epoch.market, epoch.kind, epoch.pair) == (gap.venue, gap.market, gap.kind, gap.pair)
    }
    if gap.epoch > 1 and gap.epoch not in starts:
        raise ValueError(f"feed {gap.feed!r}: ingest.epochs has no n {gap.epoch} of {gap.kind} {gap.pair}")
    later = [number for number in starts if number > gap.epoch]
    return Window(starts.get(gap.epoch), starts[min(later)] if later else None)


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(milliseconds=1)
