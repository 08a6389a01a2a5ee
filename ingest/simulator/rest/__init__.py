"""The venues' REST: pure functions from a query, the past and the market's time to an answer in the documented shape."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from ingest.simulator.rest import binance_spot, binance_usdm, bitso, coinbase
from ingest.simulator.rest.ask import Endpoint

ENDPOINTS: Mapping[tuple[str, str], Sequence[Endpoint]] = {
    ("binance", "spot"): binance_spot.ENDPOINTS,
    ("binance", "usdm"): binance_usdm.ENDPOINTS,
    ("coinbase", "spot"): coinbase.ENDPOINTS,
    ("bitso", "spot"): bitso.ENDPOINTS,
}


def find_endpoint(path: str) -> tuple[tuple[str, str], Endpoint, dict[str, str]] | None:
    """Whose path it is, what answers there, and the parts of the path that vary; None: nobody's."""
    found = re.fullmatch(r"/(\w+)/(\w+)(/.*?)/?", path)
    if not found:
        return None
    place = (found[1], found[2])
    for endpoint in ENDPOINTS.get(place, ()):
        parts = _pattern(endpoint.path).fullmatch(found[3])
        if parts:
            return place, endpoint, parts.groupdict()
    return None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
