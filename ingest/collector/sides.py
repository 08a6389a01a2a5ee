"""Who took in each trade, as a venue says it on its stream and over REST: whether both say the same. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from ingest.exchanges.exchange import Reading
from ingest.journal import Taken

ENOUGH = 20  # trades of a stream that are compared
LEAST = 5  # that have to be found over REST, too: fewer prove nothing
NAMED = 5  # ids of those that differ


class Stated(NamedTuple):
    """What one source says of a trade. None: it says nothing that can be read."""

    taker: str | None  # buy or sell
    price: Decimal | None
    quantity: Decimal | None


class Verdict(NamedTuple):
    """What came of a comparison."""

    outcome: str  # agrees or differs
    rows: int  # trades that both sources told
    detail: str | None  # which of them differ, and in what


class Sample:
    """The next trades of a stream."""

    def __init__(self, reading: Reading, enough: int = ENOUGH) -> None:
        self._reading = reading
        self._enough = enough
        self.trades: dict[int, Stated] = {}

    def take(self, line: bytes) -> None:
        """A line as it lands: that is what will be read."""
        found = parsed(line)
        for number, trade in stated(self._reading, found.get("raw") if isinstance(found, dict) else None):
            if not self.is_full:
                self.trades[number] = trade

    @property
    def is_full(self) -> bool:
        """Whether it is enough."""
        return len(self.trades) >= self._enough


class Samples:
    """The samples that somebody waits for, by stream. Any thread may ask for one; the connection's thread fills them."""

    def __init__(self) -> None:
        self._open: dict[str, Sample] = {}

    def open(self, stream: str, reading: Reading) -> Sample:
        found = self._open[stream] = Sample(reading)
        return found

    def close(self, stream: str) -> None:
        self._open.pop(stream, None)

    def take(self, taken: Taken, channel: str) -> None:
        """What a batch became: a line a frame of the channel."""
        if not self._open:
            return
        lines = next((lines for name, _, lines in taken.parts if name == channel), ())
        for (_, seen, _), line in zip(taken.steps, lines, strict=True):
            if found := self._open.get(seen.stream or ""):
                found.take(line)


def parsed(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """JSON whose numbers stay the texts they are, so that they are compared as they were written; None: it is none."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def stated(reading: Reading, tree: Any) -> Iterator[tuple[int, Stated]]:  # noqa: ANN401 - any JSON value
    """Each trade of a parsed text, by its id. What has no id that can be read is left out: other checks tell of that."""
    items = [tree] if reading.items is None else _at(tree, reading.items)
    sides = {reading.buy: "buy", reading.sell: "sell"}
    for item in items if isinstance(items, list) else ():
        number = _whole(_at(item, reading.trade_id))
        if number is not None:
            taker = sides.get(str(_at(item, reading.taker)).lower())
            yield number, Stated(taker, _number(_at(item, reading.price)), _number(_at(item, reading.quantity)))


def verdict(streamed: Mapping[int, Stated], told: Mapping[int, Stated]) -> Verdict | None:
    """Compare the trades that both told. None: they are too few."""
    joined = sorted(streamed.keys() & told.keys())
    if len(joined) < LEAST:
        return None
    parts = []
    for place, word in enumerate(Stated._fields):
        differ = [number for number in joined if not _same(streamed[number][place], told[number][place])]
        if differ:
            parts.append(f"{word} of {len(differ)}: {_listed(differ)}")
    return Verdict("differs" if parts else "agrees", len(joined), "; ".join(parts) or None)


def _same(one: object, other: object) -> bool:
    return one is not None and one == other


def _whole(text: object) -> int | None:
    try:
        return int(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _number(text: object) -> Decimal | None:
    try:
        found = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def _listed(numbers: Sequence[int]) -> str:
    more = ", …" if len(numbers) > NAMED else ""
    return ", ".join(map(str, numbers[:NAMED])) + more


def _at(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    for step in filter(None, path.split(".")):
        value = value.get(step) if isinstance(value, dict) else None
    return value
