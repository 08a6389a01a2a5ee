"""A pair's past over REST: where a day begins among the ids, and page after page from there, each joined to the one before it."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from ingest.exchanges.exchange import History, Told, Upwards
from ingest.rest.client import Body, Client, RestError
from ingest.rest.search import Span, runs, without

OLDEST = 1  # the least id that a venue gives
AGAIN_SECONDS = 1.0  # before what is absent is asked for once more


class Start(NamedTuple):
    """Where a moment is among the ids."""

    number: int  # of the first trade of that moment or later
    oldest_ms: int | None = None  # the venue tells nothing older; when the first trade was that it tells of


class Answer(NamedTuple):
    """A page, and what it proves."""

    path: str
    body: Body
    trades: Sequence[Told]  # by id, each once
    high: int  # the venue has told all it has up to this id
    absent: Sequence[Span] = ()  # what it should have told, and did not


class Pager:
    """One pair of one market."""

    def __init__(self, client: Client, history: History, pair: str, stop: threading.Event, *, dense: bool) -> None:
        assert history.upwards is not None
        self._client = client
        self._history = history
        self._upwards: Upwards = history.upwards
        self._pair = pair
        self._stop = stop
        self._dense = dense

    def newest(self) -> Told | None:
        """None: nothing was ever traded."""
        _, trades = self._asked(self._history.latest(self._pair))
        return trades[-1] if trades else None

    def start(self, ms: int, low: int, newest: Told) -> Start:
        """Look for a moment among the ids from `low` up; each question halves them, until a page has it."""
        high, first, is_oldest = newest.number, newest, True
        while low < high:
            middle = (low + high) // 2
            _, trades = self._asked(self._path(middle, middle + self._upwards.page - 1, self._upwards.page))
            earlier = bisect_left(trades, ms, key=lambda trade: trade.ms)
            is_oldest = is_oldest and not earlier
            if 0 < earlier < len(trades):
                return Start(trades[earlier].number)
            if earlier == len(trades):  # all of them, or none at all: then it tells of nothing so old
                low = max([middle, *(trade.number for trade in trades[-1:])]) + 1
            else:
                first, high = trades[0], min(middle, trades[0].number)
        return Start(first.number, first.ms if is_oldest else None)

    def page(self, low: int, high: int, before: int | None = None) -> Answer:
        """The first page of the ids from `low` to `high`, with nothing behind them. `before`: the last trade below, asked for again."""
        if self._dense:
            return self._counted(low, min(high, low + self._upwards.page - 1))
        return self._overlapping(low, high, before)

    def _counted(self, low: int, high: int) -> Answer:
        """Where ids are dense, each that does not come is absent."""
        found = self._path(low, high, high - low + 1)
        body, trades = self._told(found, lambda told: len(within(told, low, high)) == high - low + 1)
        inside = within(trades, low, high)
        left: list[Span] = [(low, high)]
        for first, last in runs(trade.number for trade in inside):
            left[-1:] = without(left[-1:], first, last)
        return self._only(Answer(found, body, inside, high, left), low, len(trades))

    def _overlapping(self, low: int, high: int, before: int | None) -> Answer:
        """Where they are not, a page begins with the last trade of the one before it and goes on: else something lies between."""
        begin = low if before is None else before
        found = self._path(begin, high, self._upwards.page)

        def joins(told: Sequence[Told]) -> bool:
            return bool(told) and before in (None, told[0].number) and told[-1].number >= low

        body, trades = self._told(found, joins)
        new = within(trades, low, high)
        absent: Sequence[Span] = ()
        if not joins(trades):
            absent = [(low, new[0].number - 1 if new else high)]
        if new and new[-1] == trades[-1]:
            return Answer(found, body, trades, new[-1].number, absent)
        return self._only(Answer(found, body, within(trades, begin, high) if new else (), high, absent), begin, len(trades))

    def _only(self, answer: Answer, low: int, told: int) -> Answer:
        """Without what lies beyond: trades of another day would make a file one of that day, too."""
        if len(answer.trades) in (0, told):
            return answer
        path = self._path(low, answer.high, len(answer.trades))
        body, trades = self._asked(path)
        if trades != answer.trades:
            raise RestError(f"{path}: tells other trades than {answer.path} did")
        return answer._replace(path=path, body=body)

    def _told(self, path: str, is_whole: Callable[[Sequence[Told]], bool]) -> tuple[Body, Sequence[Told]]:
        """What is absent is asked for once more; then the venue is believed."""
        body, trades = self._asked(path)
        if is_whole(trades):
            return body, trades
        if self._stop.wait(AGAIN_SECONDS):
            raise RestError("told to stop")
        return self._asked(path)

    def _path(self, low: int, high: int, most: int) -> str:
        return self._upwards.ask(self._pair, low, high, most)

    def _asked(self, path: str) -> tuple[Body, Sequence[Told]]:
        body = self._client.ask(path, self._history.weight)
        try:
            return body, sorted(set(self._upwards.read(orjson.loads(body.raw))))
        except (TypeError, KeyError, ValueError, AttributeError) as error:  # whatever a venue may answer
            raise RestError(f"{path}: not readable: {error!r}") from error


def within(trades: Sequence[Told], low: int, high: int) -> Sequence[Told]:
    """Those with these ids."""
    return [trade for trade in trades if low <= trade.number <= high]
