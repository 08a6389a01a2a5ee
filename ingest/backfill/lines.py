"""Pages of the past as files of the inbox: complete or absent, each with its checksum, and a word about which ids it holds."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingest.backfill.inbox import CHECKSUM, ROOT, InboxError, loads
from ingest.backfill.pager import Answer
from ingest.envelope import Origin, head, line
from ingest.journal import Sequences
from ingest.landing import Store
from ingest.plan import Plan
from ingest.rest.search import Span
from ingest.spool.members import members

MOST_PAGES = 100  # of a file
MOST_BYTES = 16_000_000  # of its lines
CONTROL = "control/backfill"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Held(NamedTuple):
    """What is in the inbox of a run of ids."""

    low: int
    high: int
    key: str | None  # of the file; None: the venue has none of these ids
    trades: int
    absent: Sequence[Span]  # ids that the venue should have told, and did not


@dataclass
class Run:
    """Pages that follow one another, on their way to a file."""

    low: int
    most_pages: int = MOST_PAGES
    high: int = field(init=False)  # everything up to here was told
    text: bytearray = field(default_factory=bytearray)
    pages: int = 0
    trades: int = 0
    newest: int | None = None  # the last trade's id
    times: tuple[int, int] = (0, 0)  # of the earliest trade and the latest one, in ms
    absent: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.high = self.low - 1

    @property
    def is_full(self) -> bool:
        return self.pages >= self.most_pages or len(self.text) >= MOST_BYTES

    def take(self, answer: Answer, text: bytes) -> None:
        """The next page, and its line."""
        self.high = answer.high
        self.absent += answer.absent
        if not answer.trades:
            return
        times = [trade.ms for trade in answer.trades]
        self.times = min(*times, self.times[0] or times[0]), max(*times, self.times[1])
        behind = self.low - 1 if self.newest is None else self.newest
        self.trades += sum(trade.number > behind for trade in answer.trades)
        self.newest = answer.trades[-1].number
        self.text += text
        self.pages += 1


class Lines:
    """The files of one feed of one pair."""

    def __init__(self, store: Store, plan: Plan) -> None:
        exchange = plan.exchange
        (pair,) = plan.pairs.values()
        place = f"{exchange.venue}/{exchange.market}"
        self._store = store
        self._folder = f"{ROOT}/{place}/lines/{plan.kind}/{pair}/"
        self._control = f"{CONTROL}/{place}/{plan.kind}/{pair}/"

    def held(self, low: int, high: int) -> Sequence[Held]:
        """What is there of these ids; a file that is there no more, and that history was not made of, does not count."""
        there = {key.removesuffix(CHECKSUM) for key in self._store.keys(self._folder) if key.endswith(CHECKSUM)} | set(
            loads(self._store)
        )
        found = []
        for key in self._store.keys(self._control):
            first, last = _span(key)
            if last < low or first > high:
                continue
            told = self._read(key)
            if told.key is None or told.key in there:
                found.append(told)
        return sorted(found)

    def take(self, run: Run) -> Held:
        """Keep a run: the file, then its checksum, then what it holds. Killed in between, its ids are asked for once more."""
        text = bytes(run.text)
        key = self._key(run, text) if text else None
        if key is not None:
            self._keep(key, members(text))
        word = {"v": 1, "file": key, "trades": run.trades, "absent": [list(span) for span in run.absent]}
        name = f"{self._control}{run.low}-{run.high}.json"
        before = self._store.get(name)  # of a file that is there no more
        self._store.replace(name, json.dumps(word, separators=(",", ":")).encode(), before[1] if before else None)
        return Held(run.low, run.high, key, run.trades, run.absent)

    def _key(self, run: Run, text: bytes) -> str:
        first, last = ((_EPOCH + timedelta(milliseconds=ms)).date() for ms in run.times)
        return f"{self._folder}{first}_{last}_{hashlib.sha256(text).hexdigest()[:12]}.jsonl.gz"

    def _keep(self, key: str, data: bytes) -> None:
        if not self._store.create(key, data):  # an answer of the store was lost: it is there by now
            found = self._store.get(key)
            if found is None or found[0] != data:
                raise InboxError(f"{key}: there is another file of this name; its lines would have to be the same")
        name = key.rpartition("/")[2]
        self._store.create(key + CHECKSUM, f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode())

    def _read(self, key: str) -> Held:
        there = self._store.get(key)
        data = there[0] if there else b""
        try:
            tree = json.loads(data)
            if tree["v"] == 1:
                absent = [(int(first), int(last)) for first, last in tree["absent"]]
                return Held(*_span(key), tree["file"], int(tree["trades"]), absent)
        except (ValueError, KeyError, TypeError):
            pass
        raise InboxError(
            f'{key} is {data[:100]!r}: {{"v": 1, "file": key, "trades": number, "absent": [[id, id]]}} would be right'
        )


class Writer:
    """The lines of one thread, under one name."""

    def __init__(self, conn: str) -> None:
        self._conn = conn
        self._next = Sequences().next

    def line(self, plan: Plan, answer: Answer) -> bytes:
        """A page as it came."""
        exchange = plan.exchange
        (pair,) = plan.pairs.values()
        origin = Origin(exchange.venue, exchange.market, plan.channel, plan.kind, pair, answer.path, "rest", self._conn)
        return line(head(origin), self._next(plan.channel), answer.body.recv_ns, answer.body.raw, is_json=True)


def _span(key: str) -> Span:
    first, _, last = key.rpartition("/")[2].removesuffix(".json").partition("-")
    try:
        return int(first), int(last)
    except ValueError as error:
        raise InboxError(f"{key}: <least id>-<greatest id>.json would be right") from error
