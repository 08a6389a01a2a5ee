"""The exchanges that are known. A new one: one file here, one line below."""

from collections.abc import Mapping

from ingest.exchanges.binance_spot import BINANCE_SPOT
from ingest.exchanges.binance_usdm import BINANCE_USDM
from ingest.exchanges.bitso import BITSO
from ingest.exchanges.coinbase import COINBASE
from ingest.exchanges.exchange import Exchange

EXCHANGES: Mapping[tuple[str, str], Exchange] = {
    (exchange.venue, exchange.market): exchange for exchange in (BINANCE_SPOT, BINANCE_USDM, COINBASE, BITSO)
}
_REFUSED = {
    (
        "binance",
        "coinm",
    ): "its quantities are contracts of a fixed value in USD, not coins, so price times quantity is no amount of money",
}


def find_exchange(venue: str, market: str) -> Exchange:
    """The exchange of that name; LookupError says which there are, and why one is refused."""
    if (venue, market) in EXCHANGES:
        return EXCHANGES[venue, market]
    if (venue, market) in _REFUSED:
        raise LookupError(f"exchange {venue} {market}: refused, {_REFUSED[venue, market]}")
    known = ", ".join(exchange.name for exchange in EXCHANGES.values())
    raise LookupError(f"exchange {venue} {market}: not known; one of {known}")
