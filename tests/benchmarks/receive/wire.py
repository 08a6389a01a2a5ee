"""What the sender sends: an hour of a simulated market as websocket frames, made beforehand; and the hour again, its ids going on."""

import re
from collections.abc import Sequence

from ingest.simulator.listings import Listing, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from tests.benchmarks.data import KIND, MINUTES, PAIRS, SEED, START

TEXT, PING = 0x81, 0x89  # each a whole message
SHORT, LONG = 126, 65_536  # payloads from here on have their length in two bytes, in eight
# when it was sent, the aggregate's id, the first and the last trade in it: in this order in every frame
_NUMBERS = re.compile(rb'"(?:E|a|f|l)":(\d+)')


def listings(frames: int) -> Sequence[Listing]:
    """The four pairs of the stream's benchmark, with so many frames an hour."""
    return [
        Listing("binance", "spot", pair, price, places, quantity, quantity_places, round(frames * share))
        for pair, price, places, quantity, quantity_places, share in PAIRS
    ]


def streams() -> dict[str, str]:
    """Name of each stream, and its pair."""
    return {series(listing)[KIND].stream: listing.pair for listing in listings(1)}


def texts(frames: int) -> list[bytes]:
    """About so many frames, in the order sent."""
    wanted = market(SEED, START, START + MINUTES * MINUTE, listings=listings(frames), wanted=lambda feed: feed.kind == KIND)
    return [frame.text for frame in wanted]


def framed(payload: bytes, first: int = TEXT) -> bytes:
    """As a server sends it: no mask, no extension."""
    size = len(payload)
    if size >= LONG:
        raise ValueError(f"a frame of {size} bytes; below {LONG} is right")
    return (bytes((first, size)) if size < SHORT else bytes((first, SHORT)) + size.to_bytes(2, "big")) + payload


class Reel:
    """The hour, round after round, ids dense from the first frame to the last."""

    def __init__(self, hour: Sequence[bytes]) -> None:
        begins: dict[bytes, tuple[int, int]] = {}
        ends: dict[bytes, tuple[int, int]] = {}
        found = []
        for text in hour:
            stream = text[: text.index(b",")]
            _, number, first, last = map(int, _NUMBERS.findall(text))
            begins.setdefault(stream, (number, first))
            ends[stream] = number + 1, last + 1
            blank = _NUMBERS.sub(lambda hit: hit[0][:4] + b"%d", text.replace(b"%", b"%%"))
            found.append((stream, blank, number, first, last))
        # what a round adds to the ids and to the trades inside
        steps = {stream: (end[0] - begins[stream][0], end[1] - begins[stream][1]) for stream, end in ends.items()}
        self._forms = [(blank, number, first, last, *steps[stream]) for stream, blank, number, first, last in found]

    def text(self, place: int, ms: int) -> bytes:
        """The frame that is number `place` of all, sent at `ms`."""
        turn, place = divmod(place, len(self._forms))
        blank, number, first, last, ids, trades = self._forms[place]
        return blank % (ms, number + turn * ids, first + turn * trades, last + turn * trades)
