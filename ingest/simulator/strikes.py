"""What a fault does to connections."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from websockets.asyncio.server import broadcast

from ingest.simulator.chores import Visitor
from ingest.simulator.faults import Fault
from ingest.simulator.listings import Series
from ingest.simulator.worlds import Key

_MICROSECOND = timedelta(microseconds=1)
Plan = Callable[[int, Callable[[int], None]], None]


def strike(fault: Fault, visitors: Iterable[Visitor], find: Callable[[Key], Series | None], now: int, plan: Plan) -> None:
    """Hit every connection that the fault fits."""
    for visitor in list(visitors):
        if _fits(fault, visitor, find) and not visitor.is_deaf:
            _FAULTS[fault.fault](fault, visitor, now, plan)


def _fits(fault: Fault, visitor: Visitor, find: Callable[[Key], Series | None]) -> bool:
    where = visitor.where
    if not fault.fits_place(where.venue, where.market):
        return False
    if not (fault.pair or fault.kind or fault.stream):
        return True
    hears = (find((where.venue, where.market, stream)) for stream in visitor.streams)
    return any(series is not None and fault.fits(series) for series in hears)


def _abort(_fault: Fault, visitor: Visitor, _now: int, _plan: Plan) -> None:
    visitor.connection.transport.abort()


def _close(fault: Fault, visitor: Visitor, _now: int, _plan: Plan) -> None:
    visitor.close(fault.code, fault.reason)


def _deafen(fault: Fault, visitor: Visitor, now: int, plan: Plan) -> None:
    visitor.deafen()
    if fault.lasts is not None:
        plan(now + fault.lasts // _MICROSECOND, lambda _at: visitor.connection.transport.abort())


def _announce(fault: Fault, visitor: Visitor, now: int, plan: Plan) -> None:
    """The venue says that it will be gone, and is gone."""
    text = {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": now // 1000}}
    broadcast([visitor.connection], json.dumps(text, separators=(",", ":")))
    plan(now + fault.grace // _MICROSECOND, lambda _at: visitor.close(1001, "server shutdown"))


_FAULTS: Mapping[str, Callable[[Fault, Visitor, int, Plan], None]] = {
    "abort": _abort,
    "close": _close,
    "half-open": _deafen,
    "shutdown": _announce,
}
