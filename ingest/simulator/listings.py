"""What is traded on the simulated venues, and how a price or a quantity is written there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ingest.exchanges import find_exchange

Style = Literal["plain", "eight", "trimmed"]


@dataclass(frozen=True)
class Listing:
    """A pair on a market. Prices and quantities are whole numbers of the last decimal place: the market knows no floats."""

    venue: str
    market: str
    pair: str
    price: int  # around which it wanders
    price_places: int
    quantity: int  # of a common order
    quantity_places: int
    ticks_per_hour: int  # orders, counted once a price level

    @property
    def name(self) -> str:
        """Seeds everything that is random about this listing."""
        return f"{self.venue}/{self.market}/{self.pair}"


LISTINGS = (
    Listing("binance", "spot", "BTC-USDT", 6_180_000, 2, 800, 5, 36_000),
    Listing("binance", "spot", "ETH-USDT", 260_000, 2, 900, 4, 24_000),
    Listing("binance", "spot", "ETH-BTC", 4_207, 5, 1_500, 4, 1_800),
    Listing("binance", "spot", "PEPE-USDT", 1_234, 8, 900_000, 0, 3_600),  # eight decimals in the price, millions in the quantity
    Listing("binance", "usdm", "BTC-USDT", 618_300, 1, 20, 3, 36_000),
    Listing("binance", "usdm", "ETH-USDT", 260_100, 2, 300, 3, 18_000),
    Listing("coinbase", "spot", "BTC-USD", 6_182_000, 2, 900_000, 8, 18_000),
    Listing("coinbase", "spot", "ETH-USD", 260_050, 2, 9_000_000, 8, 9_000),
    Listing("bitso", "spot", "BTC-MXN", 116_500_000, 2, 400_000, 8, 3_600),
    Listing("bitso", "spot", "ETH-MXN", 4_900_000, 2, 7_000_000, 8, 1_800),
)


class Series(NamedTuple):
    """One feed of one pair, and the name under which the venue offers it."""

    venue: str
    market: str
    kind: str
    pair: str
    stream: str


def series(listing: Listing) -> dict[str, Series]:
    """What the venue streams of this listing's trades, by kind."""
    feeds = find_exchange(listing.venue, listing.market).feeds
    return {
        kind: Series(listing.venue, listing.market, kind, listing.pair, feed.stream(listing.pair))
        for kind, feed in feeds.items()
        if feed.channel == "trades"
    }


def writer(places: int, style: Style) -> Callable[[int], str]:
    """How a venue writes a number: with its own places, padded to eight, or without trailing zeros."""
    unit = 10**places
    zeros = "0" * (8 - places) if style == "eight" else ""
    if places == 0:
        return lambda number: f"{number}.{zeros}" if zeros else str(number)
    if style == "trimmed":
        return lambda number: f"{number // unit}.{number % unit:0{places}d}".rstrip("0").rstrip(".")
    return lambda number: f"{number // unit}.{number % unit:0{places}d}{zeros}"
