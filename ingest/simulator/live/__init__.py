"""Books and candles on the websocket: made only while somebody listens, at fixed moments of market time. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from ingest.exchanges import find_exchange
from ingest.simulator.listings import Listing
from ingest.simulator.live import binance, bitso, coinbase
from ingest.simulator.live.stream import Live

_VENUES: Mapping[str, Callable[[Listing, int, str], Live | None]] = {
    "binance": binance.stream,
    "coinbase": coinbase.stream,
    "bitso": bitso.stream,
}


def live(seed: int, listings: Iterable[Listing], place: tuple[str, str], name: str) -> Live | None:
    """The stream of that name at a venue's market; None: there is none."""
    symbol = name.partition("@")[0].upper() if place[0] == "binance" else name.partition(":")[2]
    for listing in listings:
        if (listing.venue, listing.market) == place and find_exchange(*place).symbol(listing.pair) == symbol:
            return _VENUES[place[0]](listing, seed, name)
    return None


def common(listing: Listing) -> Iterator[str]:
    """The names of the streams that most people ask for."""
    symbol = find_exchange(listing.venue, listing.market).symbol(listing.pair)
    if listing.venue == "binance":
        channels = ("bookTicker", "depth", "depth@100ms", "depth20@100ms", "kline_1m")
        yield from (f"{symbol.lower()}@{channel}" for channel in channels)
    elif listing.venue == "coinbase":
        yield f"level2_batch:{symbol}"
    else:
        yield from (f"{channel}:{symbol}" for channel in ("orders", "diff-orders"))
