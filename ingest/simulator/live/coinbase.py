"""Coinbase's book on the websocket: a snapshot, then what changes, in batches; nothing numbers them."""

from ingest.simulator.books import STEP, book, changes
from ingest.simulator.listings import Listing, Series, writer
from ingest.simulator.live.stream import Live, text, written
from ingest.simulator.wire import iso


def stream(listing: Listing, seed: int, name: str) -> Live | None:
    """The stream of that name."""
    if name != f"level2_batch:{listing.pair}":
        return None
    price, quantity = writer(listing.price_places, "plain"), writer(listing.quantity_places, "plain")

    def snapshot(at: int) -> str:
        bids, asks = (written(side, price, quantity) for side in book(listing, seed, at // STEP))
        return text({"type": "snapshot", "product_id": listing.pair, "bids": bids, "asks": asks})

    def update(at: int) -> str:
        bids, asks = (written(side, price, quantity) for side in changes(listing, seed, at // STEP - 1, at // STEP))
        changed = [*(["buy", *level] for level in bids), *(["sell", *level] for level in asks)]
        return text({"type": "l2update", "product_id": listing.pair, "time": iso(at), "changes": changed})

    return Live(Series(listing.venue, listing.market, "level2", listing.pair, name), STEP, update, snapshot)
