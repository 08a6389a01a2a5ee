"""What the venues say when they do not want: bodies by venue and status, for faults that were asked for."""

from http import HTTPStatus

from ingest.simulator.rest import bitso
from ingest.simulator.rest.ask import Reply, told

_BINANCE = {
    429: (-1003, "Too much request weight used; please use WebSocket Streams for live updates to avoid polling the API."),
    418: (-1003, "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to avoid bans."),
    451: (0, "Service unavailable from a restricted location according to 'b. Eligibility' in the terms of use."),
}


def refusal(venue: str, status: int, retry_after: int | None) -> Reply:
    """In the venue's way where it has one; what stands before it (a firewall, a load balancer) speaks HTML."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    phrase = HTTPStatus(status).phrase
    if venue == "binance" and status in _BINANCE:
        code, reason = _BINANCE[status]
        return told({"code": code, "msg": reason}, status, headers)
    if venue == "coinbase" and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return told({"message": phrase}, status, headers)
    if venue == "bitso" and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reply(status, bitso.refusal("0200", phrase).body, headers)
    page = f"<html><head><title>{status} {phrase}</title></head><body><h1>{status} {phrase}</h1></body></html>\n"
    return Reply(status, page.encode(), headers, "text/html")
