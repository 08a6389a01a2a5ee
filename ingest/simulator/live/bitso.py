"""Bitso's books on the websocket: the best orders of each side, and every order that comes or goes, numbered without a hole."""

from typing import Any

from ingest.simulator.books import STEP, Level, Side, best_bid, book, differences
from ingest.simulator.listings import Listing, Series, writer
from ingest.simulator.live.stream import Live, text

EVERY = 2 * STEP  # a message comes at each of these moments, so that their numbers are a function of time
_TOP = 20
_SECOND = 1_000_000
_SIDES: tuple[Side, Side] = ("bid", "ask")


def number(at: int) -> int:
    """Of the last message at a moment."""
    return at // EVERY


def order(side: Side, level: Level) -> str:
    """The id of the order that makes a level; another quantity is another order."""
    return f"{'b' if side == 'bid' else 'a'}{level.price:x}x{level.since:x}"


def stream(listing: Listing, seed: int, name: str) -> Live | None:
    """The stream of that name."""
    channel, _, symbol = name.partition(":")
    if channel not in ("orders", "diff-orders"):
        return None
    price, quantity = writer(listing.price_places, "trimmed"), writer(listing.quantity_places, "trimmed")
    value = writer(listing.price_places + listing.quantity_places, "trimmed")

    def told(side: Side, level: Level) -> dict[str, Any]:
        return {
            "o": order(side, level),
            "d": level.since * STEP // 1000,
            "r": price(level.price),
            "t": 0 if side == "bid" else 1,
            "a": quantity(level.quantity),
            "v": value(level.quantity * level.price),
            "s": "open",
        }

    def best(at: int) -> str:
        bids, asks = book(listing, seed, at // STEP, _TOP)
        payload = {"bids": [told("bid", level) for level in bids], "asks": [told("ask", level) for level in asks]}
        return text({"type": "orders", "book": symbol, "payload": payload, "sent": at // 1000})

    def difference(at: int) -> str:
        bid, payload = best_bid(listing, seed, at // STEP), []
        for side, found in zip(_SIDES, differences(listing, seed, (at - EVERY) // STEP, at // STEP), strict=True):
            for gone, come in found:
                if gone.quantity:
                    is_filled = gone.price > bid if side == "bid" else gone.price <= bid
                    payload.append(_end(told(side, gone), is_filled=is_filled))
                if come.quantity:
                    payload.append(told(side, come))
        return text({"type": "diff-orders", "book": symbol, "sequence": number(at), "payload": payload, "sent": at // 1000})

    is_whole = channel == "orders"
    kind = "orders" if is_whole else "diff_orders"
    return Live(
        Series(listing.venue, listing.market, kind, listing.pair, name),
        _SECOND if is_whole else EVERY,
        best if is_whole else difference,
    )


def _end(told: dict[str, Any], *, is_filled: bool) -> dict[str, Any]:
    """Cancelled orders lack amount and value."""
    if is_filled:
        return {**told, "a": "0", "v": "0", "s": "completed"}
    return {key: value for key, value in told.items() if key not in ("a", "v")} | {"s": "cancelled"}
