"""A recording as frames: received texts with their times, as two well-known recorders write them."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.exchanges.exchange import Exchange
from ingest.simulator.listings import Series
from ingest.simulator.wire import Frame, Trade

_LINE = re.compile(rb"(?:(\d{16,19}) |(\d{9,10})\.(\d+): )(.*)", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def recording(path: Path, exchange: Exchange) -> Iterator[Frame]:
    """The frames that belong to a stream, at the time when they were received; never back in time.

    The pair of a stream must be one that the exchange knows: a recording of contracts is refused here, by name.
    """
    latest = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith(b"wss://") or not line.strip():  # what the recorder asked for
                continue
            found = _LINE.fullmatch(line.rstrip(b"\r\n"))
            if not found:
                raise ValueError(f"{path}:{number}: {line[:40]!r}: `<ns> {{json}}` or `<s>.<fraction>: {{json}}` is known")
            latest = max(latest, int(found[1]) // 1000 if found[1] else int(found[2] + found[3].ljust(6, b"0")[:6]))
            parsed = _json(found[4], f"{path}:{number}")
            seen = exchange.recognise(parsed)
            stream = seen.stream or (parsed.get("stream") if isinstance(parsed, dict) else None)
            if not isinstance(stream, str) or stream.startswith("!"):
                continue  # an answer, a snapshot asked for over REST, a whole market: no stream of a pair
            pair = exchange.pair(_symbol(exchange, stream))
            trades = tuple(TRADES[exchange.venue](seen.kind, parsed)) if seen.kind in ("trade", "agg_trade") else ()
            yield Frame(latest, Series(exchange.venue, exchange.market, seen.kind, pair, stream), found[4], trades)


def _json(text: bytes, where: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where}: {text[:40]!r}: not JSON: {error}") from error


def _symbol(exchange: Exchange, stream: str) -> str:
    """btcusdt@trade, matches:BTC-USD, trades:btc_mxn -> the venue's symbol."""
    return stream.partition("@")[0].upper() if exchange.venue == "binance" else stream.partition(":")[2]


# What a recorded frame means, written out venue by venue and not by way of the exchange's readings: the truth must not
# come from the same place as the tables that it judges.


def _binance(kind: str, frame: Mapping[str, Any]) -> Iterator[Trade]:
    data = frame["data"]
    if data.get("X", "MARKET") != "MARKET":
        return
    number = data["a" if kind == "agg_trade" else "t"]
    side = "sell" if data["m"] else "buy"
    yield Trade(number, data.get("f"), data.get("l"), data["p"], data["q"], side, data["T"] * 1000, data["E"] * 1000)


def _coinbase(_kind: str, frame: Mapping[str, Any]) -> Iterator[Trade]:
    side = {"sell": "buy", "buy": "sell"}[frame["side"]]
    ts = (datetime.fromisoformat(frame["time"]) - _EPOCH) // timedelta(microseconds=1)
    yield Trade(frame["trade_id"], None, None, frame["price"], frame["size"], side, ts, None)


def _bitso(_kind: str, frame: Mapping[str, Any]) -> Iterator[Trade]:
    for item in frame["payload"]:
        side = ("buy", "sell")[item["t"]]
        yield Trade(item["i"], None, None, item["r"], item["a"], side, item["x"] * 1000, frame["sent"] * 1000)


TRADES: Mapping[str, Callable[[str, Mapping[str, Any]], Iterator[Trade]]] = {
    "binance": _binance,
    "coinbase": _coinbase,
    "bitso": _bitso,
}
