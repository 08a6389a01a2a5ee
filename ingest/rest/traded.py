"""The pairs that a market trades now: asked over REST, remembered in the spool for a start without it."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from ingest.exchanges.exchange import Exchange, Request
from ingest.values import SettingsError

Ask = Callable[[Exchange, Request], bytes]  # raises where there is no answer
_LOG = logging.getLogger(__name__)


class Traded:
    """What each market trades, as far as it is known."""

    def __init__(self, folder: Path, ask: Ask) -> None:
        self._folder = folder
        self._ask = ask
        self._pairs: dict[str, Sequence[str]] = {}

    def __call__(self, exchange: Exchange) -> Sequence[str]:
        """The pairs, in order. SettingsError: nobody tells, and nobody ever did."""
        if exchange.name not in self._pairs:
            self._pairs[exchange.name] = self._asked(exchange)
        return self._pairs[exchange.name]

    def learn(self, exchange: Exchange, body: bytes) -> None:
        """The venue has told it anew. What cannot be read changes nothing, nor does a market at rest, which trades no pair at all."""
        try:
            found = pairs(exchange, body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _LOG.warning("event=instruments_unreadable exchange=%r error=%r", exchange.name, error)
            return
        if not found:
            _LOG.warning("event=instruments_empty exchange=%r detail=what_was_told_before_counts", exchange.name)
            return
        self._pairs[exchange.name] = found
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._path(exchange).with_suffix(".part")
            part.write_bytes(body)
            part.replace(self._path(exchange))
        except OSError as error:  # a start without the venue will have an older list
            _LOG.warning("event=instruments_not_kept exchange=%r error=%r", exchange.name, error)

    def _asked(self, exchange: Exchange) -> Sequence[str]:
        instruments = exchange.rest.instruments if exchange.rest else None
        why = f"{exchange.name} has no list of what it trades"
        if instruments is not None:
            try:
                self.learn(exchange, self._ask(exchange, instruments.request))
                return self._pairs[exchange.name]
            except KeyError:
                why = "what it told names no pair that is traded"
            except Exception as error:  # noqa: BLE001 - whatever keeps us from asking, what was told before may do
                why = str(error)
        try:
            found = pairs(exchange, self._path(exchange).read_bytes())
        except OSError:
            message = f"a pattern of pairs wants the list of what {exchange.name} trades, and it cannot be had: {why}"
            raise SettingsError(message) from None
        _LOG.warning("event=instruments_remembered exchange=%r detail=%r", exchange.name, why)
        return found

    def _path(self, exchange: Exchange) -> Path:
        return self._folder / f"{exchange.venue}-{exchange.market}.json"


def pairs(exchange: Exchange, body: bytes) -> Sequence[str]:
    """The canonical pairs of a list of instruments. A symbol that has none is left out, and told."""
    assert exchange.rest is not None
    assert exchange.rest.instruments is not None
    found, odd = set[str](), list[str]()
    for symbol in exchange.rest.instruments.symbols(orjson.loads(body)):
        try:
            pair = exchange.pair(symbol)
            if exchange.symbol(pair) == symbol:
                found.add(pair)
                continue
        except ValueError:
            pass
        odd.append(symbol)
    if odd:
        _LOG.info("event=symbols_without_pair exchange=%r count=%d symbols=%s", exchange.name, len(odd), " ".join(odd[:20]))
    return sorted(found)
