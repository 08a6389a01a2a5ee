"""A venue that is asked for its past page by page: the simulator's own answers about trades that a test makes, and no socket."""

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ingest.exchanges import find_exchange
from ingest.landing import Store
from ingest.simulator.listings import Series
from ingest.simulator.past import Recorded
from ingest.simulator.rest import find_endpoint
from ingest.simulator.rest.ask import Ask, RefusedError
from ingest.simulator.wire import Frame, Trade

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVER = 2**62


def series(venue: str, pair: str) -> Series:
    return Series(venue, "spot", "trade", pair, find_exchange(venue, "spot").feeds["trade"].stream(pair))


def trade(number: int, ts: int) -> Trade:
    """Price and quantity tell which one it is."""
    return Trade(number, None, None, f"{60_000 + number % 1000}.25", f"0.{number:08d}", "buy" if number % 3 else "sell", ts, None)


def evenly(ids: Sequence[int], first: datetime, last: datetime) -> list[Trade]:
    """So many trades from one moment to another, in whole seconds: Bitso knows no others."""
    begin, seconds = (first - EPOCH) // timedelta(seconds=1), (last - first) // timedelta(seconds=1)
    return [trade(number, (begin + seconds * place // (len(ids) - 1)) * 1_000_000) for place, number in enumerate(ids)]


def recorded(feed: Series, trades: Sequence[Trade]) -> Recorded:
    """A past of these trades."""
    past = Recorded()
    past.add(Frame(0, feed, b"", tuple(trades)))
    return past


class Answer(NamedTuple):
    status: int
    data: bytes
    headers: Mapping[str, str] = {}


Spoil = Callable[[str, Answer], Answer]  # address, what would be answered -> what is


@dataclass
class Venue:
    """One pair of one venue."""

    venue: str
    pair: str
    trades: Sequence[Trade]
    spoil: Spoil = lambda _, answer: answer
    asked: list[str] = field(default_factory=list)
    one: threading.Lock = field(default_factory=threading.Lock)
    _past: tuple[Sequence[Trade], Recorded] | None = None

    @property
    def address(self) -> str:
        return f"http://rest/{self.venue}/spot"

    def get(self, url: str) -> Answer:
        """As a client's own `get`."""
        with self.one:
            self.asked.append(url.removeprefix(self.address))
        found = find_endpoint(urlsplit(url).path)
        assert found, url
        place, endpoint, names = found
        if self._past is None or self._past[0] is not self.trades:
            self._past = self.trades, recorded(series(self.venue, self.pair), self.trades)
        symbols = {find_exchange(*place).symbol(self.pair): self.pair}
        query = dict(parse_qsl(urlsplit(url).query))
        ask = Ask(*place, query, {"user-agent": "test"}, names, EVER, self._past[1], symbols)
        try:
            reply = endpoint.answer(ask)
        except RefusedError as refused:
            reply = refused.reply
        return self.spoil(url, Answer(reply.status, reply.body))


def spoilt(change: Callable[[list[Any]], list[Any]]) -> Spoil:
    """The trades of each answer, in the order told, as somebody changes them."""

    def spoil(_: str, answer: Answer) -> Answer:
        body = json.loads(answer.data)
        changed = {**body, "payload": change(body["payload"])} if isinstance(body, dict) else change(body)
        return answer._replace(data=json.dumps(changed).encode())

    return spoil


class Lines(NamedTuple):
    """A file of lines as somebody finds it who knows nothing of the program."""

    days: tuple[date, date]  # by its name
    lines: list[dict[str, Any]]

    def trades(self) -> list[tuple[int, str, str, str]]:
        """Id, price, quantity and time, page by page."""
        return [row for line in self.lines for row in _rows(line["raw"])]


def _rows(raw: Any) -> list[tuple[int, str, str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(raw, list):
        return [(row["trade_id"], row["price"], row["size"], row["time"]) for row in raw]
    return [(row["tid"], row["price"], row["amount"], row["created_at"]) for row in raw["payload"]]


def inbox(store: Store, venue: str, pair: str) -> dict[str, Lines]:
    """Each file that has a checksum, by its key; it must be what its name and its checksum say."""
    found = {}
    for key in store.keys(f"inbox/{venue}/spot/lines/trade/{pair}/"):
        data, told = store.get(key), store.get(f"{key}.CHECKSUM")
        if not (data and told):
            continue
        name = key.rpartition("/")[2]
        text = gzip.decompress(data[0])
        assert told[0].decode() == f"{hashlib.sha256(data[0]).hexdigest()}  {name}\n"
        first, last, sha = name.removesuffix(".jsonl.gz").split("_")
        assert sha == hashlib.sha256(text).hexdigest()[:12]
        found[key] = Lines(
            (date.fromisoformat(first), date.fromisoformat(last)), [json.loads(line) for line in text.splitlines()]
        )
    return found
