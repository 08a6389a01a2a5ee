"""Order books as REST answered, a file each, below a folder of the day, the exchange and the symbol. The text is kept as it is.

Which exchange it is the text tells; of which pair, the folder or the file's name below that of the exchange. It was received at the
first of these that there is: the venue's own time in it; a moment in the file's name, or in that of a folder; when the file was last
written, if that lies on the day of its folder. A file of which nobody knows when it came is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.envelope import Origin, head, line
from ingest.exchanges import EXCHANGES
from ingest.exchanges.exchange import Exchange
from ingest.packed import UnreadableError
from jobs.adoption.files import Source, whole
from jobs.adoption.named import day_in, moment_in, pair_in
from jobs.adoption.numbers import moment
from jobs.adoption.values import Asked, Line

LIMITS = (5, 10, 20, 50, 100, 500, 1000, 5000)  # how many levels Binance can be asked for
_PARTS = 6  # names of the path, from its end, that may tell something
_EACH_ORDER = 3


def read(source: Source, asked: Asked) -> Iterator[Line]:
    """One line."""
    raw = whole(source.path)
    told = _json(source, raw)
    exchange = _exchange(source, asked, told)
    pair = _pair(source, asked, exchange)
    at = _received(source, told)
    stream = source.name + _asked_for(exchange, told)
    origin = Origin(exchange.venue, exchange.market, "books", "book", pair, stream, "adopted", source.conn)
    micros = (at - moment(0)) // timedelta(microseconds=1)
    yield Line(origin, micros, micros * 1000, line(head(origin), 1, micros * 1000, raw.strip(), is_json=True))


def _json(source: Source, raw: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(raw, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{source.name}: not JSON: {error}") from error
    if not isinstance(told, dict) or not all(_is_side(told.get(side)) for side in ("bids", "asks")):
        raise UnreadableError(f"{source.name}: no order book: `bids` and `asks`, each a list of levels, would be right")
    return told


def _is_side(told: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(told, list) and all(isinstance(level, list) and len(level) > 1 for level in told)


def _exchange(source: Source, asked: Asked, told: Mapping[str, Any]) -> Exchange:
    """Binance numbers a book by `lastUpdateId`, and its futures tell a time; Coinbase numbers it by `sequence`."""
    if "lastUpdateId" in told:
        found = ("binance", "usdm" if "E" in told else "spot")
    elif "sequence" in told:
        found = ("coinbase", "spot")
    else:
        raise UnreadableError(f"{source.name}: an order book of none that we know: `lastUpdateId` or `sequence` would be right")
    said = (asked.venue or found[0], asked.market or found[1])
    if said != found:
        raise UnreadableError(f"{source.name}: is a book of {' '.join(found)}, and the options say {' '.join(said)}")
    venues = {venue for venue, _ in EXCHANGES}
    nearest = next((name.lower() for name in _names(source)[1:] if name.lower() in venues), found[0])
    if nearest != found[0]:
        raise UnreadableError(f"{source.name}: is a book of {found[0]}, and lies in the folder of {nearest}")
    return EXCHANGES[found]


def _names(source: Source) -> Sequence[str]:
    """The file's name, then the folders above it."""
    return source.path.absolute().parts[: -_PARTS - 1 : -1]


def _pair(source: Source, asked: Asked, exchange: Exchange) -> str:
    names = _names(source)
    venues = [place for place, name in enumerate(names) if name.lower() == exchange.venue]
    below = names[: venues[0]] if venues else names[:1]
    found = pair_in([name for name in reversed(below) if day_in(name) is None or name == names[0]], exchange)
    pair = asked.pair or found
    if pair is None:
        raise UnreadableError(f"{source.name}: nothing tells of which pair it is; --pair does, as in --pair BTC-USDT")
    if found is not None and venues and pair != found:
        raise UnreadableError(f"{source.name}: lies in the folder of {found}, and --pair says {pair}")
    return pair


def _received(source: Source, told: Mapping[str, Any]) -> datetime:
    own = told.get("E", told.get("time"))
    if isinstance(own, int) and not isinstance(own, bool):
        return moment(own * 1000)
    if isinstance(own, str):
        try:
            at = datetime.fromisoformat(own)
        except ValueError:
            pass
        else:
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    names = _names(source)
    for name in names:
        told_at = moment_in(name)
        if told_at is not None:
            return told_at
    day = next((found for name in names if (found := day_in(name)) is not None), None)
    written = datetime.fromtimestamp(source.path.stat().st_mtime, UTC)
    if day is not None and day <= written < day + timedelta(days=1):
        return written
    raise UnreadableError(
        f"{source.name}: nothing tells when it was received; a name such as BTCUSDT_20211103T100000.json would be right"
    )


def _asked_for(exchange: Exchange, told: Mapping[str, Any]) -> str:
    """What the request had to say of it, where the text shows it: each order; as many levels as can be asked for."""
    most = max(len(told["bids"]), len(told["asks"]))
    levels = [level for side in ("bids", "asks") for level in told[side]]
    if exchange.venue == "coinbase":
        is_each = any(len(level) >= _EACH_ORDER and isinstance(level[2], str) for level in levels)
        return f"?level={3 if is_each else 1 if most == 1 else 2}"
    return f"?limit={most}" if most in LIMITS else ""
