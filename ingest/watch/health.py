"""What is wrong with a collector, judged by its vitals. Pure: whoever calls tells people what has changed."""

from collections.abc import Iterator, Mapping

from ingest.alerts.alert import Key, Severity
from ingest.watch.vitals import FeedVitals, LinkVitals, MarketVitals, SpoolVitals, Vitals

STALL_SECONDS = 30.0  # a connection that is gone for less comes back by itself
UPLOAD_SECONDS = 60.0
OFF_MS = 1000.0
FILLING = 0.8  # of the spool's bound
Conditions = Mapping[Key, tuple[Severity, str]]


def conditions(now: Vitals) -> Conditions:
    """Everything that is wrong."""
    found: dict[Key, tuple[Severity, str]] = {}
    for link in now.links:
        found.update(_link(link))
    for feed in now.feeds:
        found.update(_feed(feed))
    for market in now.markets:
        found.update(_market(market))
    found.update(_spool(now.spool))
    for name, detail in now.sides.items():
        found[Key("side", name)] = Severity.CRITICAL, f"stream and REST differ: {detail}"
    for name, count in now.drifts.items():
        found[Key("drift", name)] = Severity.WARNING, f"{count} frames with other fields than documented; the events say which"
    for fault in now.faults:
        found[Key("fault", fault.partition(":")[0])] = Severity.CRITICAL, fault
    return found


def _link(link: LinkVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    where = f"{link.venue} {link.market} {link.kind}"
    if link.given_up:
        yield Key("given up", where), (Severity.CRITICAL, link.given_up)
    elif not link.is_connected and link.since_seconds >= STALL_SECONDS:
        yield Key("stall", where), (Severity.CRITICAL, f"not connected for {link.since_seconds:.0f} s")
    if link.lost:
        yield Key("lost lines", where), (Severity.WARNING, f"{link.lost} lines that the spool refused; they are fetched as holes")


def _feed(feed: FeedVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    where = f"{feed.venue} {feed.market} {feed.kind} {feed.pair}"
    if feed.is_mute:
        yield Key("mute", where), (Severity.CRITICAL, f"silent for {feed.heard_seconds or 0:.0f} s while the venue trades")
    if feed.holes:
        yield Key("gap", where), (Severity.WARNING, f"{feed.holes} holes that are not repaired yet")


def _market(market: MarketVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    where = f"{market.venue} {market.market}"
    if market.failed and market.waiting:
        yield Key("repair failed", where), (Severity.WARNING, f"{market.waiting} holes wait; {market.failed} tries failed")
    if market.clock_ms is not None and abs(market.clock_ms) > OFF_MS:
        yield Key("clock", where), (Severity.WARNING, f"{market.clock_ms / 1000:+.1f} s from ours")
    if market.polls_failed and market.polls_failed == market.polls:
        yield Key("polls fail", where), (Severity.WARNING, f"none of {market.polls} answers could be had")


def _spool(spool: SpoolVitals) -> Iterator[tuple[Key, tuple[Severity, str]]]:
    share = spool.bytes / spool.max_bytes
    if share >= 1:
        yield Key("spool full", ""), (Severity.CRITICAL, f"{spool.bytes} bytes: nothing is received until objects land")
    elif share >= FILLING:
        yield Key("spool filling", ""), (Severity.WARNING, f"{spool.bytes} bytes, {share:.0%} of its bound")
    if spool.failing_seconds >= UPLOAD_SECONDS:
        text = f"nothing has landed for {spool.failing_seconds:.0f} s; {spool.waiting} segments wait"
        yield Key("upload failing", ""), (Severity.CRITICAL, text)
    if spool.conflicts:
        yield Key("conflict", ""), (Severity.CRITICAL, f"{spool.conflicts} objects exist with other lines; both are kept")


def daily(before: Vitals | None, now: Vitals) -> str:
    """The day in a few lines: what came, what was missed, what became of it."""
    lines = [f"collector {now.collector}: running for {now.seconds / 3600:.1f} h, {now.spool.waiting} segments wait"]
    old = {(link.venue, link.market, link.kind): link for link in (before.links if before else ())}
    for link in now.links:
        then = old.get((link.venue, link.market, link.kind))
        frames = link.frames - (then.frames if then else 0)
        again = max(0, link.connections - (then.connections if then else 1))
        lines.append(f"{link.venue} {link.market} {link.kind}: {frames:,} frames, {again} reconnects, {link.streams} streams")
    markets = {(market.venue, market.market): market for market in (before.markets if before else ())}
    for market in now.markets:
        was = markets.get((market.venue, market.market))
        rows = market.rows - (was.rows if was else 0)
        repaired = market.repaired - (was.repaired if was else 0)
        lines.append(f"{market.venue} {market.market}: {repaired} holes repaired, {rows:,} rows fetched, {market.waiting} wait")
    return "\n".join(lines)
